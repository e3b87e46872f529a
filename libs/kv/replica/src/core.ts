/**
 * What the parts of a replica share: its keys, its shelf of hints, its clock, what waits for the disk, and what the step has to say.
 *
 * It decides nothing about requests; the coordinators and the repairs do (see replica.ts for the walk).
 */
import { event } from "@backplane/foundation-actor/effects"
import { defined } from "@backplane/foundation-base/assert"
import type { Json } from "@backplane/foundation-base/json"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Bucket } from "@backplane/kv-contract/bucket"
import { WIRE_VERSION } from "@backplane/kv-contract/forms"
import { PARTITIONS } from "@backplane/kv-contract/limits"
import type { StoreConfig } from "@backplane/kv-contract/store-config"
import type { KeyState, Vector } from "@backplane/kv-contract/versions"
import { placeName } from "@backplane/kv-replication/hash"
import { DAMAGE_KEY } from "@backplane/kv-store/log-store"
import { HintShelf, type Hint } from "@backplane/kv-replication/hint-shelf"
import { firstConfig, holdersIn, isQuorum, keepersIn } from "@backplane/kv-replication/placement"
import { observed } from "@backplane/kv-versioning/hybrid-clock"
import { reconcilerOf, type Reconciler } from "@backplane/kv-versioning/reconcile/reconciler"
import { canBeDoubted, type Witness } from "@backplane/kv-versioning/doubt"
import { highestCount } from "@backplane/kv-versioning/vector"
import { AnswerBook } from "./answer-book.ts"
import { Doubts } from "./doubts.ts"
import { DurableWrites, type Waiter } from "./durable-writes.ts"
import { KeyTable, type KeyRecord, type Place } from "./key-table.ts"
import { Outbox } from "./outbox.ts"
import { LoneVersions } from "./lone-versions.ts"
import { PeerPace } from "./peer-pace.ts"
import { PeerVersions } from "./peer-versions.ts"
import { TimeHistory } from "./time-history.ts"
import { WriteTraces } from "./write-traces.ts"
import { TIMINGS_DEFAULT, type ReplicaOptions, type ReplicaTimings } from "./replica-options.ts"
import { SOUND_RULES, type ReplicaRules } from "./rules.ts"

/** Of a peer that has not answered yet, and of one that is slow: so many times what it waits for at least. */
const FIRST_RETRIES = 4
const LONGEST_RETRIES = 8

export class ReplicaCore {
  readonly options: ReplicaOptions
  readonly id: ActorId
  readonly rules: ReplicaRules
  readonly timings: ReplicaTimings
  readonly outbox = new Outbox()
  readonly durable = new DurableWrites(this.outbox)
  readonly table: KeyTable
  readonly shelf: HintShelf
  readonly book = new AnswerBook()
  /** Waiters that need not wait; the replica hands them on at the end of the step. */
  readonly ready: Waiter[] = []
  /** Partitions of which something was lost, with the holders that were found equal since. */
  readonly unsure = new Map<number, Set<ActorId>>()
  /** What this life found lost on its disk, as the disk has it; null: nothing. */
  damage: Json = null
  /** Partitions that were found lost with a later configuration, until the replica has said so to their registers. */
  doubted: number[] = []
  /** Hear of every state that is taken over. */
  readonly onKept: ((record: KeyRecord) => void)[] = []
  readonly traces = new WriteTraces()
  readonly lone = new LoneVersions(this)
  readonly doubts = new Doubts(this)
  readonly pace: PeerPace
  readonly versions: PeerVersions
  /** Reads coordinated in this life, and how many of them found replicas apart. */
  readonly reads = { count: 0, apart: 0 }
  now: VirtualTime = 0 as VirtualTime
  /** Name under which this life counts events. */
  writer = ""
  /** Hints handed over so far: what was counted on top of a hint is not counted on under the same name once that is gone. */
  handovers = 0
  /** Ids made by this life. */
  #ids = 0
  #life = ""
  /** Latest hybrid time seen or made. */
  #time = 0
  readonly #times = new TimeHistory()
  #config: StoreConfig
  /** By partition, as the configuration has them: every request asks several times. The same list where the partition is not moved. */
  #holders: readonly (readonly ActorId[])[] = []
  #keepers: readonly (readonly ActorId[])[] = []
  /** By partition: whether this replica is one of them. */
  #isHolder: readonly boolean[] = []
  #isKeeper: readonly boolean[] = []
  #buckets: ReadonlyMap<string, { readonly bucket: Bucket; readonly reconciler: Reconciler }>

  constructor(options: ReplicaOptions) {
    this.options = options
    this.id = options.id
    this.rules = options.rules ?? SOUND_RULES
    this.timings = { ...TIMINGS_DEFAULT, ...options.timings }
    this.table = new KeyTable(this.rules)
    const { retry } = this.timings
    this.pace = new PeerPace({ least: retry, first: FIRST_RETRIES * retry, most: LONGEST_RETRIES * retry })
    this.shelf = new HintShelf(options.hintsPerReplicaMax)
    for (const bucket of options.buckets) {
      const reconciler = reconcilerOf(bucket, options.handlers ?? new Map())
      if (typeof reconciler === "string") throw new Error(reconciler)
    }
    this.versions = new PeerVersions(options.version ?? WIRE_VERSION, this.rules)
    this.#config = firstConfig(options.map, options.buckets, options.storeVersion)
    this.#buckets = this.#bucketsOf(this.#config)
    this.#configured()
  }

  /** Members, placement and buckets as far as this replica knows. Only ever replaced by one of a higher epoch. */
  get config(): StoreConfig {
    return this.#config
  }

  /** Takes a later configuration over; false where it is none. */
  adopt(config: StoreConfig): boolean {
    if (config.epoch <= this.#config.epoch) return false
    if (this.damage !== null) this.#doubt(config)
    this.#config = config
    this.#buckets = this.#bucketsOf(config)
    this.#configured()
    return true
  }

  /**
   * With the rest of its disk a replica may have lost the configuration under which it held partitions: of those that it neither kept under the one it goes
   * by nor is copying, it knows nothing. Told to the disk before the configuration is, or a crash between would leave it sure of them.
   */
  #doubt(config: StoreConfig): void {
    for (let partition = 0; partition < PARTITIONS; partition++)
      if (holdersIn(config, partition).includes(this.id) && !this.keeps(partition)) this.doubted.push(partition)
    for (const partition of this.doubted) this.unsure.set(partition, new Set())
    if (this.unsure.size > 0) this.durable.write(DAMAGE_KEY, this.damage, null)
  }

  #configured(): void {
    const { versions, outbox } = this
    outbox.epoch = this.#config.epoch
    this.#holders = Array.from({ length: PARTITIONS }, (_, partition) => holdersIn(this.#config, partition))
    this.#keepers = Array.from({ length: PARTITIONS }, (_, partition) => keepersIn(this.#config, partition))
    this.#isHolder = this.#holders.map((holders) => holders.includes(this.id))
    this.#isKeeper = this.#keepers.map((keepers) => keepers.includes(this.id))
    versions.configured(this.#config)
    outbox.mixed = versions.isMixed ? { version: versions.own, isTold: (to) => versions.knows(to, 2) } : null
  }

  /** A bucket whose handler is not registered here is not there: its requests are refused. */
  #bucketsOf(config: StoreConfig): ReadonlyMap<string, { readonly bucket: Bucket; readonly reconciler: Reconciler }> {
    return new Map(
      config.buckets.flatMap((bucket) => {
        const reconciler = reconcilerOf(bucket, this.options.handlers ?? new Map())
        return typeof reconciler === "string" ? [] : [[bucket.name, { bucket, reconciler }] as const]
      }),
    )
  }

  /** Begins a life: its name is new, its clock lies past all it knows. */
  begin(now: VirtualTime, lives: number): void {
    this.now = now
    this.writer = this.rules.writerName({ id: this.id, wall: this.wall(), count: lives })
    this.#life = `${this.id}/${lives}/${now.toString(36)}`
    this.#time = this.table.highestTime()
    this.#times.rose(now, this.#time)
  }

  wall(): number {
    return this.options.wall?.(this.now) ?? this.now
  }

  freshId(): string {
    return `${this.#life}/${++this.#ids}`
  }

  bucket(name: string): { readonly bucket: Bucket; readonly reconciler: Reconciler } | undefined {
    return this.#buckets.get(name)
  }

  reconciler(name: string): Reconciler {
    return defined(this.#buckets.get(name), "the bucket was checked").reconciler
  }

  holders(place: Place): readonly ActorId[] {
    return this.#holders[this.table.partitionOf(place)] ?? []
  }

  /** Those who keep what is written: the holders, and of a partition that is moved the next ones too. */
  keepers(place: Place): readonly ActorId[] {
    return this.#keepers[this.table.partitionOf(place)] ?? []
  }

  isHolder(place: Place): boolean {
    return this.#isHolder[this.table.partitionOf(place)] === true
  }

  isKeeper(place: Place): boolean {
    return this.#isKeeper[this.table.partitionOf(place)] === true
  }

  keeps(partition: number): boolean {
    return this.#isKeeper[partition] === true
  }

  /** True where something of the key's partition was lost here and not repaired yet. */
  isUnsure(place: Place): boolean {
    return this.unsure.size > 0 && this.unsure.has(this.table.partitionOf(place))
  }

  /** Whether versions of the bucket can be in doubt (doubts.ts), and all who would be told so know what that means. */
  canDoubt(bucket: string): boolean {
    return this.rules.doubtsNews && this.versions.keeps(2) && canBeDoubted(this.reconciler(bucket))
  }

  /** What this replica tells of the key as one of its holders, where it knows `state`. */
  witnessOf(place: Place, state: KeyState): Witness {
    const [weak, collected] = [this.table.isWeak(place), this.table.collectedUpTo(place)]
    return { state, unsure: this.isUnsure(place), weak, collected }
  }

  /** The partition is whole again here, or not held any more: with the last one, what the disk lost is made good. */
  isSureOf(partition: number): void {
    if (!this.unsure.delete(partition) || this.unsure.size > 0) return
    this.durable.write(DAMAGE_KEY, null, null)
    this.outbox.effect(event("kv.mended", { shard: this.id }, "info"))
  }

  /** True where reads of the partition count this replica. */
  holdsNow(partition: number): boolean {
    return this.#isHolder[partition] === true
  }

  /** True where `has` holds for a quorum of the place's holders (and next holders). */
  isQuorum(place: Place, has: (id: ActorId) => boolean, needed: number): boolean {
    const partition = this.table.partitionOf(place)
    const holders = this.#holders[partition] ?? []
    if (holders === this.#keepers[partition]) {
      let count = 0
      for (const id of holders) if (has(id)) count++
      return count >= Math.min(needed, holders.length)
    }
    const config = this.rules.needsBothSets ? this.#config : { ...this.#config, next: {} }
    return isQuorum(config, partition, has, needed)
  }

  /** The time of a new event, past everything in `seen`. */
  nextTime(...seen: readonly Vector[]): number {
    let known = this.#time
    for (const vector of seen) known = observed(known, highestCount(vector))
    this.#rises(this.rules.nextTime(known, this.wall()))
    return this.#time
  }

  /** A hybrid time that had come `age` cycles ago: this replica's clock stood there, and its wall too if it did not jump since. */
  timeBefore(age: number): number {
    const byWall = this.wall() - age
    const known = this.rules.knowsTimes ? this.#times.at(this.now - age) : null
    return known === null ? byWall : Math.min(known, byWall)
  }

  #rises(time: number): void {
    if (time === this.#time) return
    this.#time = time
    this.#times.rose(this.now, time)
  }

  /** Joins `incoming` into what is known here. */
  joined(place: Place, incoming: KeyState): KeyState {
    return this.rules.join(this.reconciler(place.bucket), this.table.stateOf(place), incoming)
  }

  /** The latest hybrid time that was seen or made. */
  get time(): number {
    return this.#time
  }

  /** Takes `state` over, in memory now and on disk when `waiter` hears of it. `weak`: it is promised on fewer than two of the holders' disks. */
  keep(place: Place, state: KeyState, waiter: Waiter | null, weak = false): void {
    this.#rises(observed(this.#time, highestCount(state.context)))
    const record: KeyRecord = { ...place, state }
    this.table.set(record)
    for (const hear of this.onKept) hear(record)
    if (weak) this.table.weaken(place)
    const value: Json = this.table.isWeak(place) ? { state: asJson(state), weak: true } : { state: asJson(state) }
    this.#persist(place, this.table.spot(place).diskKey, value, waiter)
  }

  /** Joins `incoming` in; `waiter` hears when what it brought is on disk, at once where that is so already. `weak`: as for `keep`. */
  absorb(place: Place, incoming: KeyState, waiter: Waiter | null, weak = false): void {
    this.lone.came(place, incoming)
    const before = this.table.stateOf(place)
    const state = this.rules.join(this.reconciler(place.bucket), before, incoming)
    const known = this.table.record(place)
    if (known !== undefined && known.state === state) this.#alreadyKnown(this.#diskKey(place), waiter)
    else if (known === undefined && state === before) this.#alreadyKnown(this.#diskKey(place), waiter)
    else this.keep(place, state, waiter, weak)
  }

  /** Puts a state on the shelf for a holder that is away; false where there is no room. */
  shelve(hint: Hint, waiter: Waiter | null): boolean {
    const held = this.shelf.of(hint.target, hint.bucket, hint.key)
    const state = held === undefined ? hint.state : this.rules.join(this.reconciler(hint.bucket), held.state, hint.state)
    const key = hintKey(hint)
    if (held !== undefined && held.state === state) {
      this.#alreadyKnown(key, waiter)
      return true
    }
    if (!this.shelf.put({ ...hint, state })) return false
    this.#persist(hint, key, { state: asJson(state) }, waiter)
    return true
  }

  /** True while nobody may see what is known of the key here: it is not all on disk, so a crash could take it back, or it may be withdrawn. */
  isUndurable(place: Place): boolean {
    return this.lone.has(place) || (!this.rules.servesUndurable && this.durable.isWaiting(this.#diskKey(place)))
  }

  /** `waiter` hears when it is. */
  whenDurable(place: Place, waiter: Waiter): void {
    if (this.lone.has(place)) this.lone.wait(place, waiter)
    else this.durable.join(this.#diskKey(place), waiter)
  }

  unshelve(hint: Hint): void {
    if (!this.shelf.delivered(hint)) return
    this.handovers++
    this.durable.write(hintKey(hint), null, null)
  }

  forgetKey(record: KeyRecord): void {
    const { diskKey } = this.table.spot(record)
    this.table.remove(record)
    this.durable.write(diskKey, null, null)
  }

  #persist(place: Place, key: string, value: Json, waiter: Waiter | null): void {
    const inMemory = this.bucket(place.bucket)?.bucket.durability === "memory"
    if (!inMemory) this.durable.write(key, value, this.rules.acknowledgesEarly ? null : waiter)
    if (waiter !== null && (inMemory || this.rules.acknowledgesEarly)) this.ready.push(waiter)
  }

  /** The write that what is known of the key rests on: its own, or that of the certified cut where it is not there. */
  #diskKey(place: Place): string {
    const { diskKey, partition } = this.table.spot(place)
    const isCut = this.table.record(place) === undefined && !this.durable.isWaiting(diskKey)
    return isCut ? `c/${partition}` : diskKey
  }

  #alreadyKnown(key: string, waiter: Waiter | null): void {
    if (waiter === null) return
    if (this.durable.isWaiting(key) && !this.rules.acknowledgesEarly) this.durable.join(key, waiter)
    else this.ready.push(waiter)
  }
}

export function hintKey({ target, bucket, key }: Pick<Hint, "target" | "bucket" | "key">): string {
  return `h/${target}/${placeName(bucket, key)}`
}

/** A state is JSON as it is, and nobody changes one: the log may keep the same object. Its type does not say so, hence the cast. */
function asJson(state: KeyState): Json {
  return state as unknown as Json
}

/** With its fields in one order, whoever made it: equal states are equal texts. */
export function stateJson({ context, versions, crdt, done, counted }: KeyState): Json {
  return {
    context,
    versions: versions.map(({ dot, value }): Json => ({ dot: [dot[0], dot[1]], value })),
    ...(crdt === undefined ? {} : { crdt }),
    ...(done === undefined ? {} : { done }),
    ...(counted === undefined ? {} : { counted }),
  }
}
