/**
 * All keys that a replica holds, in memory, with the Merkle tree and the certified cut of each partition.
 *
 * Invariants:
 * T1 The tree of a partition is a function of its states.
 * T2 A key that is not there stands for a state whose context is the cut: whatever the cut covers and is not here is dead.
 * T3 A cut is only taken over from a certificate that this life voted for, and is forgotten when data was lost (T2 would then be a lie).
 */
import { compareText } from "@backplane/foundation-base/json"
import { PARTITIONS } from "@backplane/kv-contract/limits"
import type { KeyState, Vector } from "@backplane/kv-contract/versions"
import { hexOf, partitionOf, placeName, type Hash64 } from "@backplane/kv-replication/hash"
import { leafOf, MerkleTree } from "@backplane/kv-replication/merkle-tree"
import { isTombstone } from "@backplane/kv-versioning/key-state"
import { descends, highestCount, joinVectors, NO_EVENTS } from "@backplane/kv-versioning/vector"
import type { ReplicaRules } from "./rules.ts"

/** A request that was applied here: requester and sequence. */
export type Applied = readonly [requester: string, sequence: number]

export interface KeyRecord {
  readonly bucket: string
  readonly key: string
  readonly state: KeyState
  /** The last few requests that this replica minted a version for, oldest first. */
  readonly applied: readonly Applied[]
}

export interface Place {
  readonly bucket: string
  readonly key: string
}

interface Partition {
  readonly tree: MerkleTree
  readonly keys: Map<string, KeyRecord>
  readonly hashes: Map<string, Hash64>
  /** Names of the keys in each leaf of the tree. */
  readonly leaves: Map<number, Set<string>>
  cut: Vector
  certifiedAt: number | null
}

export class KeyTable {
  readonly #rules: ReplicaRules
  readonly #partitions: readonly Partition[]

  constructor(rules: ReplicaRules) {
    this.#rules = rules
    this.#partitions = Array.from({ length: PARTITIONS }, () => ({
      tree: new MerkleTree(),
      keys: new Map(),
      hashes: new Map(),
      leaves: new Map(),
      cut: NO_EVENTS,
      certifiedAt: null,
    }))
  }

  record({ bucket, key }: Place): KeyRecord | undefined {
    return this.#of(partitionOf(bucket, key)).keys.get(placeName(bucket, key))
  }

  /** What is known of the key, be it there or not (T2). */
  stateOf(place: Place): KeyState {
    const partition = this.#of(partitionOf(place.bucket, place.key))
    const known = partition.keys.get(placeName(place.bucket, place.key))?.state
    return known ?? { context: this.#rules.absentContext(partition.cut), versions: [] }
  }

  set(record: KeyRecord): void {
    const partition = this.#of(partitionOf(record.bucket, record.key))
    const place = placeName(record.bucket, record.key)
    const before = partition.hashes.get(place) ?? null
    const after = this.#rules.stateHash(record.state)
    if (!partition.keys.has(place)) {
      const leaf = leafOf(place)
      partition.leaves.set(leaf, (partition.leaves.get(leaf) ?? new Set<string>()).add(place))
    }
    partition.keys.set(place, record)
    if (after === null) partition.hashes.delete(place)
    else partition.hashes.set(place, after)
    partition.tree.replace(place, before, after)
  }

  /** The hash of the key's state; null where it is not there or counts as absent. */
  hashOf({ bucket, key }: Place): string | null {
    const hash = this.#of(partitionOf(bucket, key)).hashes.get(placeName(bucket, key))
    return hash === undefined ? null : hexOf(hash)
  }

  /** The partition is given up: what was certified of it says nothing here any more. */
  clear(partition: number): void {
    const of = this.#of(partition)
    of.cut = NO_EVENTS
    of.certifiedAt = null
  }

  remove(place: Place): void {
    const partition = this.#of(partitionOf(place.bucket, place.key))
    const name = placeName(place.bucket, place.key)
    partition.tree.replace(name, partition.hashes.get(name) ?? null, null)
    partition.hashes.delete(name)
    partition.keys.delete(name)
    partition.leaves.get(leafOf(name))?.delete(name)
  }

  tree(partition: number): MerkleTree {
    return this.#of(partition).tree
  }

  cut(partition: number): Vector {
    return this.#of(partition).cut
  }

  certifiedAt(partition: number): number | null {
    return this.#of(partition).certifiedAt
  }

  certify(partition: number, cut: Vector, at: number): void {
    const of = this.#of(partition)
    of.cut = joinVectors(of.cut, cut)
    of.certifiedAt = Math.max(of.certifiedAt ?? 0, at)
  }

  /** The join of all contexts of the partition: its causal cut. */
  contextOf(partition: number): Vector {
    let context = this.cut(partition)
    for (const record of this.#of(partition).keys.values()) context = joinVectors(context, record.state.context)
    return context
  }

  /** In the order of their names. */
  records(partition: number): readonly KeyRecord[] {
    return [...this.#of(partition).keys].sort(([a], [b]) => compareText(a, b)).map(([, record]) => record)
  }

  /** Records of one bucket, in no order. */
  recordsOf(partition: number, bucket: string): KeyRecord[] {
    return [...this.#of(partition).keys.values()].filter((record) => record.bucket === bucket)
  }

  /** Records in one of `leaves`, in the order of the leaves, with the hash of each; null: counts as absent. */
  recordsIn(partition: number, leaves: readonly number[]): readonly { readonly record: KeyRecord; readonly hash: string | null }[] {
    const of = this.#of(partition)
    return leaves.flatMap((leaf) =>
      [...(of.leaves.get(leaf) ?? [])].sort(compareText).flatMap((place) => {
        const record = of.keys.get(place)
        const hash = of.hashes.get(place)
        return record === undefined ? [] : [{ record, hash: hash === undefined ? null : hexOf(hash) }]
      }),
    )
  }

  /** Records that the certified cut lets go. */
  collectable(partition: number): readonly KeyRecord[] {
    const cut = this.cut(partition)
    return [...this.#of(partition).keys.values()].filter(({ state }) => this.#rules.mayCollect(state, cut))
  }

  /** True where a certificate could free something. */
  hasTombstones(partition: number): boolean {
    const cut = this.cut(partition)
    for (const { state } of this.#of(partition).keys.values()) if (isTombstone(state) || !descends(cut, state.context)) return true
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
      for (const { state } of partition.keys.values()) latest = Math.max(latest, highestCount(state.context))
      return latest
    }, 0)
  }

  #of(partition: number): Partition {
    return this.#partitions[partition] as Partition
  }
}
