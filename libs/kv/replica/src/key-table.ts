/**
 * All keys that a replica holds, in memory, with the Merkle tree and the certified cut of each partition.
 *
 * Invariants:
 * T1 The tree of a partition, as anybody gets to see it, is a function of its states. It follows them when somebody looks: a key that is written again and
 *    again is hashed once.
 * T2 A key that is not there stands for a state whose context is the cut: whatever the cut covers and is not here is dead.
 * T3 A cut is only taken over from a certificate that this life voted for, and is forgotten when data was lost (T2 would then be a lie). Where only the end of
 *    the log was lost it stays: what is left was all that was known at some moment, and what was dead then is dead.
 */
import { compareText } from "@backplane/foundation-base/json"
import { PARTITIONS } from "@backplane/kv-contract/limits"
import type { Done, KeyState, Vector } from "@backplane/kv-contract/versions"
import { hexOf, partitionOf, placeName, type Hash64 } from "@backplane/kv-replication/hash"
import { leafOf, LEAVES, MerkleTree } from "@backplane/kv-replication/merkle-tree"
import { newsIn } from "@backplane/kv-versioning/done"
import { isTombstone } from "@backplane/kv-versioning/key-state"
import { descends, highestCount, joinVectors, NO_EVENTS } from "@backplane/kv-versioning/vector"
import type { ReplicaRules } from "./rules.ts"

export interface KeyRecord {
  readonly bucket: string
  readonly key: string
  readonly state: KeyState
}

export interface Place {
  readonly bucket: string
  readonly key: string
}

/** Where a key lies, worked out once: the hot paths ask for it again and again. */
export interface Spot {
  readonly partition: number
  /** As `placeName` has it. */
  readonly name: string
  /** Under which it lies on disk. */
  readonly diskKey: string
}

interface Entry extends Spot {
  readonly leaf: number
  record: KeyRecord
  /** As the tree has it. Null where it counts as absent. */
  hash: Hash64 | null
  /** The record has changed since. */
  isStale: boolean
  /** Of `hash`, once somebody asked for it. */
  hex: string | null
  /** Requests that all keepers of the key knew under configuration `epoch`. */
  shared: { readonly done: Done; readonly epoch: number } | null
  /** Something of it was promised on one disk alone, or with the help of a stand-in. */
  weak: boolean
}

/** Stale entries that a partition has at most: who looks at all trees is not to wait for long. */
const STALE_MAX = 64

interface Partition {
  readonly tree: MerkleTree
  /** All entries that are stale, and some that were. */
  stale: Entry[]
  readonly keys: Map<string, Entry>
  /** Names of the keys in each leaf of the tree. */
  readonly leaves: Map<number, Set<string>>
  cut: Vector
  /** Time of the latest event in `cut`. */
  cutTime: number
  certifiedAt: number | null
  /** Of events up to this time the requests may be forgotten: their keys were collected, here or before this replica had the partition. */
  forgottenUpTo: number
}

export class KeyTable {
  readonly #rules: ReplicaRules
  readonly #partitions: readonly Partition[]
  /** All entries once more, by bucket and key: found without making a name of both. */
  readonly #entries = new Map<string, Map<string, Entry>>()
  /** The entry that was asked for last: a request asks for its own a dozen times. Null: to be looked for. */
  #last: Entry | null = null
  #lastBucket = ""
  #lastKey = ""

  constructor(rules: ReplicaRules) {
    this.#rules = rules
    this.#partitions = Array.from({ length: PARTITIONS }, () => ({
      tree: new MerkleTree(),
      stale: [],
      keys: new Map(),
      leaves: new Map(),
      cut: NO_EVENTS,
      cutTime: 0,
      certifiedAt: null,
      forgottenUpTo: 0,
    }))
  }

  /** Where the key lies, be it there or not. */
  spot(place: Place): Spot {
    return this.#entry(place) ?? spotOf(place)
  }

  partitionOf(place: Place): number {
    return this.#entry(place)?.partition ?? partitionOf(place.bucket, place.key)
  }

  record(place: Place): KeyRecord | undefined {
    return this.#entry(place)?.record
  }

  /** What is known of the key, be it there or not (T2). */
  stateOf(place: Place): KeyState {
    const entry = this.#entry(place)
    if (entry !== undefined) return entry.record.state
    const { cut } = this.#of(partitionOf(place.bucket, place.key))
    return { context: this.#rules.absentContext(cut), versions: [] }
  }

  set(record: KeyRecord): void {
    const entry = this.#entry(record) ?? this.#open(record)
    entry.record = record
    if (entry.isStale) return
    entry.isStale = true
    const partition = this.#of(entry.partition)
    partition.stale.push(entry)
    if (partition.stale.length >= STALE_MAX) this.#freshen(partition)
  }

  #freshen(partition: Partition): void {
    for (const entry of partition.stale) this.#hashAnew(partition, entry)
    partition.stale = []
  }

  #hashAnew({ tree }: Partition, entry: Entry): void {
    if (!entry.isStale) return
    const after = this.#rules.stateHash(entry.record.state)
    tree.replaceIn(entry.leaf, entry.hash, after)
    entry.hash = after
    entry.hex = null
    entry.isStale = false
  }

  /** The hash of the key's state; null where it is not there or counts as absent. */
  hashOf(place: Place): string | null {
    const entry = this.#entry(place)
    if (entry === undefined) return null
    this.#hashAnew(this.#of(entry.partition), entry)
    return hexIn(entry)
  }

  /** The partition is given up: what was certified of it says nothing here any more. */
  clear(partition: number): void {
    const of = this.#of(partition)
    of.cut = NO_EVENTS
    of.cutTime = 0
    of.certifiedAt = null
    of.forgottenUpTo = 0
  }

  remove(place: Place): void {
    const entry = this.#entry(place)
    if (entry === undefined) return
    const partition = this.#of(entry.partition)
    entry.isStale = false
    partition.forgottenUpTo = Math.max(partition.forgottenUpTo, highestCount(entry.record.state.context))
    partition.tree.replaceIn(entry.leaf, entry.hash, null)
    partition.keys.delete(entry.name)
    partition.leaves.get(entry.leaf)?.delete(entry.name)
    this.#entries.get(place.bucket)?.delete(place.key)
    this.#last = null
  }

  #entry({ bucket, key }: Place): Entry | undefined {
    // Mostly the very texts that were asked for before, and then nothing is compared but where they lie.
    if (this.#last !== null && key === this.#lastKey && bucket === this.#lastBucket) return this.#last
    const entry = this.#entries.get(bucket)?.get(key)
    if (entry === undefined) return undefined
    this.#last = entry
    this.#lastBucket = bucket
    this.#lastKey = key
    return entry
  }

  #open(record: KeyRecord): Entry {
    const spot = spotOf(record)
    const entry: Entry = { ...spot, leaf: leafOf(spot.name), record, hash: null, isStale: false, hex: null, shared: null, weak: false }
    const { keys, leaves } = this.#of(spot.partition)
    keys.set(spot.name, entry)
    leaves.set(entry.leaf, (leaves.get(entry.leaf) ?? new Set<string>()).add(spot.name))
    const ofBucket = this.#entries.get(record.bucket) ?? new Map<string, Entry>()
    this.#entries.set(record.bucket, ofBucket.set(record.key, entry))
    return entry
  }

  /** From now on this replica may be the only one that has what was promised of the key. */
  weaken(place: Place): void {
    const entry = this.#entry(place)
    if (entry !== undefined) entry.weak = true
  }

  isWeak(place: Place): boolean {
    return this.#entry(place)?.weak === true
  }

  /** All keepers of the key have been told of these requests. */
  shared(place: Place, done: Done | undefined, epoch: number): void {
    const entry = this.#entry(place)
    if (entry !== undefined && done !== undefined) entry.shared = { done, epoch }
  }

  /** The state with those of its requests that a keeper may not know of: the others need not travel again with each write. */
  unshared(place: Place, state: KeyState, epoch: number): KeyState {
    const shared = this.#entry(place)?.shared
    if (state.done === undefined || shared === undefined || shared === null || shared.epoch !== epoch) return state
    return { ...state, done: newsIn(state.done, shared.done) }
  }

  tree(partition: number): MerkleTree {
    const of = this.#of(partition)
    this.#freshen(of)
    return of.tree
  }

  cut(partition: number): Vector {
    return this.#of(partition).cut
  }

  /** The time of the latest event that was certified of the key's partition: of what was before, all may be collected and forgotten. */
  collectedUpTo(place: Place): number {
    return this.#of(this.partitionOf(place)).cutTime
  }

  certifiedAt(partition: number): number | null {
    return this.#of(partition).certifiedAt
  }

  /** Of events of the key up to this time the requests may be forgotten. */
  forgottenUpTo(place: Place): number {
    return this.#of(this.partitionOf(place)).forgottenUpTo
  }

  /** `byOthers`: what it let go was here never, or in another life. */
  certify(partition: number, cut: Vector, at: number, byOthers = false): void {
    const of = this.#of(partition)
    of.cut = joinVectors(of.cut, cut)
    of.cutTime = highestCount(of.cut)
    of.certifiedAt = Math.max(of.certifiedAt ?? 0, at)
    if (byOthers) of.forgottenUpTo = Math.max(of.forgottenUpTo, of.cutTime)
  }

  /** The join of all contexts of the partition: its causal cut. */
  contextOf(partition: number): Vector {
    let context = this.cut(partition)
    for (const { record } of this.#of(partition).keys.values()) context = joinVectors(context, record.state.context)
    return context
  }

  /** In the order of their names. */
  records(partition: number): readonly KeyRecord[] {
    return [...this.#of(partition).keys].sort(([a], [b]) => compareText(a, b)).map(([, { record }]) => record)
  }

  /** Records of one bucket, in no order. */
  recordsOf(partition: number, bucket: string): KeyRecord[] {
    return [...this.#of(partition).keys.values()].flatMap(({ record }) => (record.bucket === bucket ? [record] : []))
  }

  /** Records in one of `leaves`, in the order of the leaves, with the hash of each; null: counts as absent. */
  recordsIn(partition: number, leaves: readonly number[]): readonly { readonly record: KeyRecord; readonly hash: string | null }[] {
    const of = this.#of(partition)
    this.#freshen(of)
    // Most leaves of a small partition have nothing in them, and pages go through all.
    const full = leaves.filter((leaf) => (of.leaves.get(leaf)?.size ?? 0) > 0)
    return full.flatMap((leaf) =>
      [...(of.leaves.get(leaf) ?? [])].sort(compareText).flatMap((place) => {
        const entry = of.keys.get(place)
        return entry === undefined ? [] : [{ record: entry.record, hash: hexIn(entry) }]
      }),
    )
  }

  /** The first leaf from `leaf` on that has records; `LEAVES` where there is none. */
  nextLeaf(partition: number, leaf: number): number {
    const { leaves } = this.#of(partition)
    if (leaves.size === 0) return LEAVES
    let next = leaf
    while (next < LEAVES && (leaves.get(next)?.size ?? 0) === 0) next++
    return next
  }

  /** Records that the certified cut lets go. */
  collectable(partition: number): readonly KeyRecord[] {
    const cut = this.cut(partition)
    return [...this.#of(partition).keys.values()].flatMap(({ record }) => (this.#rules.mayCollect(record.state, cut) ? [record] : []))
  }

  /** True where a certificate could free something. */
  hasTombstones(partition: number): boolean {
    const cut = this.cut(partition)
    for (const { record } of this.#of(partition).keys.values())
      if (isTombstone(record.state) || !descends(cut, record.state.context)) return true
    return false
  }

  /** Keys over all partitions. */
  get size(): number {
    return this.#partitions.reduce((sum, { keys }) => sum + keys.size, 0)
  }

  isEmpty(partition: number): boolean {
    return this.#of(partition).keys.size === 0
  }

  /** The latest time in any context: the clock of a new life starts behind it. */
  highestTime(): number {
    return this.#partitions.reduce((highest, partition) => {
      let latest = Math.max(highest, highestCount(partition.cut))
      for (const { record } of partition.keys.values()) latest = Math.max(latest, highestCount(record.state.context))
      return latest
    }, 0)
  }

  #of(partition: number): Partition {
    return this.#partitions[partition] as Partition
  }
}

function spotOf({ bucket, key }: Place): Spot {
  const name = placeName(bucket, key)
  return { partition: partitionOf(bucket, key), name, diskKey: `k/${name}` }
}

function hexIn(entry: Entry): string | null {
  if (entry.hash === null) return null
  entry.hex ??= hexOf(entry.hash)
  return entry.hex
}
