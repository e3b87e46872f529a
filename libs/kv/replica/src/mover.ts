/**
 * Copies the partitions that this replica is to hold, and drops those that it no longer holds.
 *
 * Procedure: of each partition that comes, ask an old holder for its keys and their hashes, page by page; want the states that are missing or
 * other; when all of a holder's pages are in and on disk, go on to the next holder, which costs hashes only. After a majority of the old
 * holders (all of them, if they answer in time) the partition is ready (P1), once its linear registers are (register-wait.ts). What was given up is
 * dropped when the writes that this replica coordinated are done.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { event } from "@backplane/foundation-actor/effects"
import { PARTITIONS } from "@backplane/kv-contract/limits"
import type { StoreConfig } from "@backplane/kv-contract/store-config"
import type { Vector } from "@backplane/kv-contract/versions"
import type { PeerItemOf } from "@backplane/kv-contract/peer-items"
import { hexOf, placeName, ZERO_HASH } from "@backplane/kv-replication/hash"
import { LEAVES } from "@backplane/kv-replication/merkle-tree"
import { holdersIn, nextIn } from "@backplane/kv-replication/placement"
import type { ConfigKeeper } from "./config-keeper.ts"
import type { ReplicaCore } from "./core.ts"
import type { LinearHost } from "./linear-host.ts"
import { RegisterWait, type Registers } from "./register-wait.ts"

const NOTHING: readonly number[] = []
/** Partitions that are copied at a time. */
const COPIES_AT_ONCE = 4
const PAGE_ENTRIES = 512
/** A question without an answer is asked again after this. */
const REPEAT_CYCLES = 100_000
/** A copy whose registers do not come is begun again after this. */
const AGAIN_CYCLES = 1_000_000
/** A holder that is silent for so long is left out, where a majority has been copied. */
const SILENT_CYCLES = 2_000_000
/** One that was silent for another partition. */
const STILL_SILENT_CYCLES = 300_000
/** What was given up is dropped after this: the writes that it still had under way are over. */
const DROP_CYCLES = 3_000_000

interface Copy {
  readonly partition: number
  readonly epoch: number
  readonly copied: Set<ActorId>
  source: ActorId
  leaf: number
  nextLeaf: number
  /** Places of the page that were wanted and did not come yet, with the hash that it told of each. */
  wanted: Map<string, readonly [bucket: string, key: string, hash: string]>
  pageIn: boolean
  /** Something else came than the page told of. */
  isOther: boolean
  /** All that the page told of is here. */
  complete: boolean
  /** What the source had certified when it began to tell. */
  cut: { readonly vector: Vector; readonly at: number | null }
  askedAt: number
  startedAt: number
  readonly begunAt: number
  /** What the holders have of the partition's registers, as far as they told. */
  readonly registers: Map<ActorId, Registers>
  /** Nothing is left to be copied: its registers are waited for. */
  waits: boolean
  saving: boolean
  keys: number
}

export class Mover {
  readonly #core: ReplicaCore
  readonly #configs: ConfigKeeper
  readonly #linear: LinearHost
  readonly #copies = new Map<number, Copy>()
  readonly #givenUp = new Map<number, number>()
  readonly #registers: RegisterWait
  /** Holders that did not answer when they were asked last. */
  readonly #silent = new Set<ActorId>()
  /** The partitions that come, under this configuration and with so many ready. */
  #coming: {
    readonly config: StoreConfig | null
    readonly ready: number
    readonly partitions: readonly number[]
  } = { config: null, ready: 0, partitions: NOTHING }
  /** Keys that this life copied. */
  keysCopied = 0

  constructor(core: ReplicaCore, configs: ConfigKeeper, linear: LinearHost) {
    this.#core = core
    this.#configs = configs
    this.#linear = linear
    this.#registers = new RegisterWait(core, linear)
  }

  /** Partitions of which only the linear registers are waited for. */
  get awaitsRegisters(): number {
    return this.#registers.count
  }

  get isIdle(): boolean {
    return this.#copies.size === 0 && this.#givenUp.size === 0 && this.#whatComes().length === 0
  }

  /** The configuration changed. */
  reconfigured(): void {
    const core = this.#core
    this.#registers.reconfigured((partition) => this.#comes(partition))
    for (const [partition, { epoch }] of this.#copies)
      if (core.config.changed[partition] !== epoch || !this.#comes(partition)) this.#copies.delete(partition)
    for (let partition = 0; partition < PARTITIONS; partition++) {
      if (core.keeps(partition)) this.#givenUp.delete(partition)
      else if (!core.table.isEmpty(partition) || this.#linear.group(partition) !== undefined || core.unsure.has(partition))
        this.#givenUp.set(partition, core.now)
    }
    this.tick(() => false)
  }

  tick(isBusyWith: (partition: number) => boolean): void {
    const core = this.#core
    for (const [partition, since] of this.#givenUp) if (core.now - since >= DROP_CYCLES && !isBusyWith(partition)) this.#drop(partition)
    for (const copy of this.#copies.values()) this.#push(copy)
    for (const partition of this.#registers.inTurn(this.#whatComes())) {
      if (this.#copying >= COPIES_AT_ONCE) break
      if (!this.#copies.has(partition)) this.#begin(partition)
    }
  }

  get #copying(): number {
    let count = 0
    for (const { waits } of this.#copies.values()) if (!waits) count++
    return count
  }

  onAsk(from: ActorId, { partition, leaf }: PeerItemOf<"move-ask">): void {
    const { table, outbox } = this.#core
    const entries: [string, string, string][] = []
    let nextLeaf = table.nextLeaf(partition, leaf)
    while (nextLeaf < LEAVES && entries.length < PAGE_ENTRIES) {
      for (const { record, hash } of table.recordsIn(partition, [nextLeaf]))
        if (hash !== null) entries.push([record.bucket, record.key, hash])
      nextLeaf = table.nextLeaf(partition, nextLeaf + 1)
    }
    const hasGroup = this.#linear.isActive(partition)
    const learns = this.#linear.isDamaged(partition) && this.#core.versions.knows(from, 2) ? { learns: true } : {}
    const [cut, certifiedAt] = [table.cut(partition), table.certifiedAt(partition)]
    const page = { partition, leaf, nextLeaf, entries: entries.slice(0, 4096), cut, certifiedAt, hasGroup, ...learns }
    outbox.send(from, { type: "move-page", ...page })
  }

  onPage(from: ActorId, page: PeerItemOf<"move-page">): void {
    this.#silent.delete(from)
    const copy = this.#copies.get(page.partition)
    if (copy === undefined || copy.source !== from || copy.pageIn || copy.leaf !== page.leaf) return
    const { table } = this.#core
    copy.pageIn = true
    copy.nextLeaf = page.nextLeaf
    copy.registers.set(from, page.learns === true ? "lost" : page.hasGroup ? "some" : "none")
    copy.wanted = new Map()
    copy.isOther = false
    for (const entry of page.entries) {
      const [bucket, key, hash] = entry
      if (table.hashOf({ bucket, key }) !== hash) copy.wanted.set(placeName(bucket, key), entry)
    }
    copy.keys += copy.wanted.size
    this.keysCopied += copy.wanted.size
    // As it was before the first page was made: a later one may cover what came into leaves that were told already.
    if (page.leaf === 0) copy.cut = { vector: page.cut, at: page.certifiedAt }
    copy.complete = copy.wanted.size === 0
    if (!copy.complete) this.#want(copy)
    this.#advance(copy)
  }

  /** States of a holder were joined in. */
  onStates(from: ActorId, { partition, states }: PeerItemOf<"sync-states">): void {
    const core = this.#core
    const copy = this.#copies.get(partition)
    if (copy === undefined || copy.source !== from || copy.saving) return
    for (const [bucket, key, state] of states) {
      const name = placeName(bucket, key)
      const wanted = copy.wanted.get(name)
      if (wanted === undefined) continue
      copy.wanted.delete(name)
      if (core.bucket(bucket) === undefined || hexOf(core.rules.stateHash(state) ?? ZERO_HASH) !== wanted[2]) copy.isOther = true
    }
    if (copy.wanted.size > 0 || copy.complete || !copy.pageIn) return
    if (!copy.isOther) {
      // Though the page may never tell what is here now: there may be more of it here than at the source.
      copy.complete = true
      return this.#advance(copy)
    }
    // What came may be older than what the page told of: the page is asked for again.
    copy.pageIn = false
    this.#ask(copy)
  }

  /** All that came of the source so far is on disk. */
  onDurable(partition: number, source: ActorId): void {
    const copy = this.#copies.get(partition)
    if (copy === undefined || copy.source !== source || !copy.saving) return
    copy.saving = false
    copy.copied.add(source)
    this.#nextSource(copy)
  }

  /** Asked after every step, so it is worked out anew only where something changed: under one configuration ready ones are only added. */
  #whatComes(): readonly number[] {
    const { config } = this.#core
    const ready = this.#configs.readyCount
    if (this.#coming.config === config && this.#coming.ready === ready) return this.#coming.partitions
    const moved = Object.keys(config.next).map(Number)
    const partitions = moved.length === 0 ? NOTHING : moved.filter((partition) => this.#comes(partition))
    this.#coming = { config, ready, partitions }
    return partitions
  }

  #comes(partition: number): boolean {
    const { config, id } = this.#core
    if (this.#configs.isReady(partition) || nextIn(config, partition)?.includes(id) !== true) return false
    return (
      !holdersIn(config, partition).includes(id) ||
      (nextIn(config, partition) ?? []).every((next) => holdersIn(config, partition).includes(next))
    )
  }

  #begin(partition: number): void {
    const core = this.#core
    const holders = holdersIn(core.config, partition)
    const [source] = holders.filter((holder) => holder !== core.id)
    const copied = new Set(holders.filter((holder) => holder === core.id))
    const epoch = core.config.changed[partition] ?? 0
    const copy: Copy = {
      partition,
      epoch,
      copied,
      source: source ?? core.id,
      leaf: 0,
      nextLeaf: 0,
      wanted: new Map(),
      pageIn: false,
      isOther: false,
      complete: false,
      cut: { vector: {}, at: null },
      askedAt: 0,
      startedAt: core.now,
      begunAt: core.now,
      registers: new Map(holders.includes(core.id) ? [[core.id, this.#registers.own(partition)]] : []),
      waits: false,
      saving: false,
      keys: 0,
    }
    this.#copies.set(partition, copy)
    if (!core.rules.copiesBeforeReady) this.#isReady(copy)
    else if (source === undefined) this.#finish(copy)
    else this.#ask(copy)
  }

  #ask(copy: Copy): void {
    copy.askedAt = this.#core.now
    this.#core.outbox.send(copy.source, { type: "move-ask", partition: copy.partition, leaf: copy.leaf })
  }

  #want({ source, partition, wanted }: Copy): void {
    const places = [...wanted.values()].map(([bucket, key]): [string, string] => [bucket, key])
    for (let first = 0; first < places.length; first += 256)
      this.#core.outbox.send(source, { type: "sync-states", partition, states: [], wanted: places.slice(first, first + 256) })
  }

  #push(copy: Copy): void {
    const { now, config } = this.#core
    if (copy.saving || copy.source === this.#core.id) return
    const isEnough = copy.copied.size > holdersIn(config, copy.partition).length / 2
    const isLate = now - copy.startedAt > (this.#silent.has(copy.source) ? STILL_SILENT_CYCLES : SILENT_CYCLES)
    const isToRepeat = now - copy.askedAt >= REPEAT_CYCLES
    if (copy.copied.has(copy.source)) return this.#finish(copy)
    if (isLate && isToRepeat) this.#silent.add(copy.source)
    if (isEnough && isLate) return this.#finish(copy)
    if (!isToRepeat) return
    // A source that says nothing gives way to the next: another round comes back to it.
    if (isLate) return this.#nextSource(copy)
    copy.pageIn = false
    this.#ask(copy)
  }

  #advance(copy: Copy): void {
    if (!copy.pageIn || !copy.complete || copy.saving) return
    copy.leaf = copy.nextLeaf
    copy.pageIn = false
    if (copy.leaf < LEAVES) return this.#ask(copy)
    const { table } = this.#core
    // Whatever the holder's cut covers and its pages did not list is dead (T2): here too, now that all it had is here, and not before.
    if (copy.cut.at !== null) table.certify(copy.partition, copy.cut.vector, copy.cut.at, true)
    this.#save(copy)
  }

  /** What was written before is on disk when this is. */
  #save(copy: Copy): void {
    const { partition, source, epoch } = copy
    const { durable, now } = this.#core
    copy.saving = true
    durable.write(`m/${partition}`, { epoch, at: now }, { kind: "moved", partition, source })
  }

  #nextSource(copy: Copy): void {
    const { config, id, now } = this.#core
    const left = holdersIn(config, copy.partition).filter((holder) => holder !== id && !copy.copied.has(holder))
    const after = left.find((holder) => holder !== copy.source) ?? left[0]
    if (after === undefined) return this.#finish(copy)
    Object.assign(copy, { source: after, leaf: 0, nextLeaf: 0, wanted: new Map(), pageIn: false, startedAt: now })
    this.#ask(copy)
  }

  /** Ready, unless the partition has registers that are not here yet. */
  #finish(copy: Copy): void {
    const verdict = this.#registers.verdict(copy)
    if (verdict === "may-vote") return this.#isReady(copy)
    if (verdict === "learns") {
      this.#linear.damaged(copy.partition)
      return this.#save(copy)
    }
    copy.waits = true
    // Holders may have lost what they had since, or have it again: looked at from the beginning.
    if (this.#core.now - copy.begunAt > AGAIN_CYCLES) this.#copies.delete(copy.partition)
  }

  #isReady({ partition, keys }: Copy): void {
    this.#copies.delete(partition)
    this.#registers.over(partition)
    this.#configs.ready(partition)
    this.#core.outbox.effect(event("kv.moved", { shard: this.#core.id, partition, keys }, "info"))
  }

  #drop(partition: number): void {
    const core = this.#core
    this.#givenUp.delete(partition)
    this.#linear.drop(partition)
    for (const record of core.table.records(partition)) core.forgetKey(record)
    core.table.clear(partition)
    core.durable.write(`c/${partition}`, null, null)
    core.durable.write(`m/${partition}`, null, null)
    core.isSureOf(partition)
  }
}
