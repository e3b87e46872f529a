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
import { readServiceEnvironment } from "@backplane/foundation-runtime/service-environment"
import type { Environment } from "@backplane/foundation-process/actor-service"
import { BlockDoor } from "@backplane/kv-client/block-door"
import { KvRequester } from "@backplane/kv-client/requester"
import { FIRST_BUCKETS } from "@backplane/kv-contract/first-buckets"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import { CONFIG_KEY, SYSTEM_BUCKET, type StoreConfig } from "@backplane/kv-contract/store-config"
import { partitionMap } from "@backplane/kv-replication/partition-map"
import { firstConfig } from "@backplane/kv-replication/placement"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"
import { doorActor } from "@backplane/scenario-machine/topology"
import type { BlockAsk } from "@backplane/trap-contract/disk-messages"

const STORE = "store"
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
  readonly #doors = new Map<string, Promise<() => void>>()
  #joined: Promise<Joined> | null = null
  #configuredAt = 0

  constructor(environment: Environment) {
    this.#environment = environment
  }

  /** Once for each node of a machine. */
  open(machine: string, node: number): void {
    const name = `${machine}/${node}`
    if (this.#doors.has(name)) return
    this.#joined ??= this.#join()
    const opened = this.#joined.then((joined) => this.#openDoor(joined, machine, node))
    opened.catch(() => undefined) // told where it is closed; a disk that nobody answers for says so by waiting
    this.#doors.set(name, opened)
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
    const shards = Number(this.#environment["BACKPLANE_KV_SHARDS"] ?? 3)
    const zones = Number(this.#environment["BACKPLANE_KV_ZONES"] ?? 1)
    const members = Array.from({ length: shards }, (_, index) => ({ id: actorId(`replica.${index}`), zone: `zone-${index % zones}` }))
    const requester = new KvRequester({ members: members.map(({ id }) => id) })
    requester.configure(firstConfig(partitionMap(members), FIRST_BUCKETS))
    const bus = new NatsBus({ connection, events: { event: () => undefined }, codec: new MessageCodec() })
    const port = new ActorPort<KvMessage, KvMessage>({
      bus,
      machineName: STORE,
      actor: actorId(`node.door-${process.pid}-${Date.now().toString(36)}`),
      machine: requester,
      clock: new PacedClock({ cyclesPerSecond: 1_000_000, originMilliseconds: 0 }),
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
          if (text !== undefined) requester.configure(JSON.parse(text) as StoreConfig)
        },
      }),
    )
  }
}
