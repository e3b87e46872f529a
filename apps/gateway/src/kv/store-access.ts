/** The gateway's way to the store: an asking actor on the bus, the store's configuration, and watches. */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { send } from "@backplane/foundation-actor/effects"
import type { Effect, Input } from "@backplane/foundation-actor/machine"
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { timer } from "@backplane/foundation-actor/effects"
import { canonicalJson, type Json } from "@backplane/foundation-base/json"
import { ActorPort } from "@backplane/foundation-runtime/actor-port"
import type { LinkBus } from "@backplane/foundation-runtime/link/link-bus"
import { linkedNatsBus } from "@backplane/foundation-runtime/link/linked-nats-bus"
import { PacedClock } from "@backplane/foundation-runtime/paced-clock"
import type { EventSink } from "@backplane/foundation-runtime/sinks"
import { KvRequester, type Wish } from "@backplane/kv-client/requester"
import type { KvAnswer, KvSuccess, Operation } from "@backplane/kv-contract/client-messages"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import { CONFIG_KEY, SYSTEM_BUCKET, type StoreConfig } from "@backplane/kv-contract/store-config"
import { WATCH_LEASE_CYCLES, type KvChanged } from "@backplane/kv-contract/watch-messages"
import { firstMembers, STORE, STORE_CYCLES_PER_SECOND, type StoreSize } from "@backplane/kv-replication/first-store"
import { firstConfig } from "@backplane/kv-replication/placement"
import { partitionMap } from "@backplane/kv-replication/partition-map"
import { FIRST_BUCKETS } from "@backplane/kv-contract/first-buckets"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"
import type { NatsConnection } from "@nats-io/nats-core"

const RENEW = "renew"
const CHANGES_TRIES = 5

export interface StoreAccessOptions {
  readonly connection: NatsConnection
  readonly events: EventSink
  /** What the store began with: its configuration until somebody changes it. */
  readonly size: StoreSize
  /** Names this process; a time is added, so that each life is a requester of its own. */
  readonly name: string
}

export interface Watched {
  readonly watch: string
  readonly bucket: string
  readonly prefix: string
  readonly onChange: (change: KvChanged) => void
}

/** Takes what is to be done if the caller hangs up before it is answered. */
export type WhenGone = (then: () => void) => void

/** Heard by nobody. */
const LEFT: KvAnswer = { sequence: 0, ok: false, reason: "busy", remedy: "stay until the answer comes", unknown: true }

/** The requester, and watches beside it, as one machine behind the port. */
class AccessMachine {
  readonly requester: KvRequester
  readonly watches = new Map<string, Watched>()
  members: readonly ActorId[]

  constructor(members: readonly ActorId[], favourite: number) {
    this.members = members
    this.requester = new KvRequester({ members, favourite })
  }

  step(now: VirtualTime, input: Input<KvMessage>): readonly Effect<KvMessage>[] {
    if (input.kind === "timer" && input.key === RENEW) return this.renew(now)
    if (input.kind === "message" && input.body.kind === "KvChanged") {
      this.watches.get(input.body.watch)?.onChange(input.body)
      return []
    }
    return this.requester.step(now, input)
  }

  settle(now: VirtualTime): readonly Effect<KvMessage>[] {
    return this.requester.settle(now)
  }

  renew(now: VirtualTime): readonly Effect<KvMessage>[] {
    if (this.watches.size === 0) return []
    return [
      ...[...this.watches.values()].flatMap((watched) => this.tell(watched, true)),
      timer(RENEW, after(now, Math.floor(WATCH_LEASE_CYCLES / 3))),
    ]
  }

  tell({ watch, bucket, prefix }: Watched, open: boolean): readonly Effect<KvMessage>[] {
    return this.members.map((member) => send<KvMessage>(member, { kind: "KvWatch", watch, bucket, prefix, open }))
  }
}

export class StoreAccess {
  readonly #bus: LinkBus
  readonly #port: ActorPort<KvMessage, KvMessage>
  readonly #machine: AccessMachine
  readonly #first: StoreConfig
  #config: StoreConfig

  constructor({ connection, events, size, name }: StoreAccessOptions) {
    const members = firstMembers(size)
    this.#first = firstConfig(partitionMap(members), FIRST_BUCKETS)
    this.#config = this.#first
    this.#machine = new AccessMachine(
      members.map(({ id }) => id),
      // Each gateway has another: together they use all.
      Number(/\d+$/.exec(name)?.[0] ?? 0),
    )
    this.#machine.requester.configure(this.#config)
    this.#bus = linkedNatsBus({ connection, events, codec: new MessageCodec(), lost: { kind: "KvGone" } })
    this.#port = new ActorPort<KvMessage, KvMessage>({
      bus: this.#bus,
      machineName: STORE,
      actor: actorId(`gateway.${name}-${Date.now().toString(36)}`),
      machine: this.#machine,
      clock: new PacedClock({ cyclesPerSecond: STORE_CYCLES_PER_SECOND, originMilliseconds: 0 }),
    })
  }

  get config(): StoreConfig {
    return this.#config
  }

  /** Requests that are not answered yet. */
  get outstanding(): number {
    return this.#machine.requester.outstanding
  }

  async ask(operation: Operation, options: Omit<Wish, "operation" | "done"> = {}): Promise<KvAnswer> {
    return (await this.askTold(operation, options)).answer
  }

  /** With how often it was sent: a put that was sent to a second coordinator may have been done twice. */
  askTold(
    operation: Operation,
    { whenGone, ...options }: Omit<Wish, "operation" | "done"> & { readonly whenGone?: WhenGone } = {},
  ): Promise<{ readonly answer: KvAnswer; readonly attempts: number }> {
    return new Promise((resolve) => {
      const done: Wish["done"] = (answer, attempts) => resolve({ answer, attempts })
      this.#port.act((now) => this.#machine.requester.ask(now, { operation, ...options, done }))
      whenGone?.(() => {
        this.#port.act(() => {
          this.#machine.requester.forget(done)
          return []
        })
        resolve({ answer: LEFT, attempts: 0 })
      })
    })
  }

  /** The configuration as the store has it, or the first one where nobody has changed it yet. Throws where the store does not answer. */
  async readConfig(): Promise<StoreConfig> {
    return (await this.#register()).config
  }

  /** Changes the configuration, on top of whatever it is: `change` may be called again. Text: why it is refused. */
  async changeConfig(
    change: (config: StoreConfig) => StoreConfig | { readonly refused: string },
  ): Promise<StoreConfig | { readonly refused: string }> {
    for (let tries = 0; tries < CHANGES_TRIES; tries++) {
      const { config, text } = await this.#register()
      const changed = change(config)
      if ("refused" in changed || changed === config) return changed
      const value = canonicalJson(changed as unknown as Json)
      const answer = await this.ask({ type: "cas", bucket: SYSTEM_BUCKET, key: CONFIG_KEY, expect: text, value })
      if (!answer.ok) throw new StoreSilent(answer.remedy)
      if (answer.swapped === true) {
        this.#take(changed)
        return changed
      }
    }
    return { refused: "others change the store at the same time: try again" }
  }

  /** Until the returned function is called, `onChange` hears of changes; of each from every replica that keeps the key. */
  watch(watched: Watched): () => void {
    this.#machine.watches.set(watched.watch, watched)
    this.#port.act((now) => this.#machine.renew(now))
    return () => {
      this.#machine.watches.delete(watched.watch)
      this.#port.act(() => this.#machine.tell(watched, false))
    }
  }

  close(): void {
    this.#port.close()
    this.#bus.close()
  }

  async #register(): Promise<{ readonly config: StoreConfig; readonly text: string | null }> {
    const answer = await this.ask({ type: "get", bucket: SYSTEM_BUCKET, key: CONFIG_KEY })
    if (!answer.ok) throw new StoreSilent(answer.remedy)
    const text = (answer as KvSuccess).values[0] ?? null
    const config = text === null ? this.#first : (JSON.parse(text) as StoreConfig)
    this.#take(config)
    return { config, text }
  }

  #take(config: StoreConfig): void {
    if (config.epoch < this.#config.epoch) return
    this.#config = config
    this.#machine.members = config.members.map(({ id }) => actorId(id))
    this.#machine.requester.configure(config)
  }
}

/** The replicas did not answer in time. */
export class StoreSilent extends Error {
  override readonly name = "StoreSilent"
}
