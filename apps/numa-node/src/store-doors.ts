/**
 * The doors of a process's nodes to the key-value store: on the machine's bus as `node.door-<n>`, in the store as one asking actor.
 *
 * Opened with the first node that asks; a node whose VMs have no disk in the store costs a subscription. What is asked and answered is kv/client's
 * `BlockDoor`; this only joins the two buses.
 */
import { actorId } from "@backplane/foundation-actor/actor-id"
import { ActorPort } from "@backplane/foundation-runtime/actor-port"
import { connectToBus } from "@backplane/foundation-runtime/connection"
import { NatsBus } from "@backplane/foundation-runtime/nats-bus"
import { PacedClock } from "@backplane/foundation-runtime/paced-clock"
import { EnvironmentError, readServiceEnvironment } from "@backplane/foundation-runtime/service-environment"
import type { EventSink } from "@backplane/foundation-runtime/sinks"
import type { Environment } from "@backplane/foundation-process/actor-service"
import { BlockDoor } from "@backplane/kv-client/block-door"
import { KvRequester } from "@backplane/kv-client/requester"
import { FIRST_BUCKETS } from "@backplane/kv-contract/first-buckets"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import { CONFIG_KEY, isStoreConfig, SYSTEM_BUCKET } from "@backplane/kv-contract/store-config"
import { firstMembers, STORE, STORE_CYCLES_PER_SECOND, storeSizeOf, type StoreSize } from "@backplane/kv-replication/first-store"
import { partitionMap } from "@backplane/kv-replication/partition-map"
import { firstConfig } from "@backplane/kv-replication/placement"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"
import { doorActor } from "@backplane/scenario-machine/topology"
import type { BlockAsk } from "@backplane/trap-contract/disk-messages"

/** How often a door that is used looks whether the store has other members. */
const CONFIG_MILLISECONDS = 5_000

interface Joined {
  readonly bus: NatsBus
  readonly port: ActorPort<KvMessage, KvMessage>
  readonly requester: KvRequester
  readonly close: () => Promise<void>
}

export class StoreDoors {
  readonly #environment: Environment
  readonly #size: StoreSize
  readonly #events: EventSink
  readonly #doors = new Map<string, Promise<() => void>>()
  #joined: Promise<Joined> | null = null
  #configuredAt = 0

  /** Throws an `EnvironmentError` where the environment says no store. */
  constructor(environment: Environment, events: EventSink) {
    const size = storeSizeOf(environment)
    if ("field" in size) throw new EnvironmentError(`${size.field} ${size.remedy}`)
    this.#environment = environment
    this.#size = size
    this.#events = events
  }

  /** Once for each node of a machine. */
  open(machine: string, node: number): void {
    const name = `${machine}/${node}`
    if (this.#doors.has(name)) return
    this.#joined ??= this.#join()
    const opened = this.#joined.then((joined) => this.#openDoor(joined, machine, node))
    this.#doors.set(name, opened)
    // Disks behind this door wait, and their VMs with them: so it is told, and the next node that is hosted here tries again.
    opened.catch((error: unknown) => {
      this.#doors.delete(name)
      this.#joined = null
      const detail = `no door to the store for ${machine}/node.${node}: ${error instanceof Error ? error.message : String(error)}`
      this.#events.event({ name: "bus.error", level: "error", fields: { detail } })
    })
  }

  async close(): Promise<void> {
    for (const door of this.#doors.values()) (await door.catch(() => null))?.()
    await (await this.#joined?.catch(() => null))?.close()
  }

  #openDoor({ bus, port, requester }: Joined, machine: string, node: number): () => void {
    const actor = doorActor(node)
    const door = new BlockDoor(requester, (to, told) => {
      bus.publish({ machine, from: actor, to, body: told })
    })
    return bus.subscribe(machine, actor, ({ from, body }) => {
      if (body.kind !== "BlockAsk") return
      this.#configure(port, requester)
      // The codec of the bus has checked the shape.
      port.act((now) => door.onAsk(now, from, body as BlockAsk))
    })
  }

  async #join(): Promise<Joined> {
    const settings = readServiceEnvironment("numa-node", this.#environment, process.argv.slice(2), process.pid)
    const connection = await connectToBus("numa-node", settings)
    const members = firstMembers(this.#size)
    const requester = new KvRequester({ members: members.map(({ id }) => id) })
    requester.configure(firstConfig(partitionMap(members), FIRST_BUCKETS))
    const bus = new NatsBus({ connection, events: this.#events, codec: new MessageCodec() })
    const port = new ActorPort<KvMessage, KvMessage>({
      bus,
      machineName: STORE,
      actor: actorId(`node.door-${process.pid}-${Date.now().toString(36)}`),
      machine: requester,
      clock: new PacedClock({ cyclesPerSecond: STORE_CYCLES_PER_SECOND, originMilliseconds: 0 }),
    })
    const close = async (): Promise<void> => {
      port.close()
      await connection.close()
    }
    return { bus, port, requester, close }
  }

  /** The store may have been given other members since. */
  #configure(port: Joined["port"], requester: KvRequester): void {
    if (Date.now() - this.#configuredAt < CONFIG_MILLISECONDS) return
    this.#configuredAt = Date.now()
    const operation = { type: "get", bucket: SYSTEM_BUCKET, key: CONFIG_KEY } as const
    port.act((now) =>
      requester.ask(now, {
        operation,
        done: (answer) => {
          const text = answer.ok ? answer.values[0] : undefined
          const config: unknown = text === undefined ? null : JSON.parse(text)
          if (isStoreConfig(config)) requester.configure(config)
        },
      }),
    )
  }
}
