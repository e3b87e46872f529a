/**
 * Compares partitions with another holder by their Merkle trees and joins what differs, in five steps of which equal replicas need one:
 *
 * 1. asker → other: roots of all partitions that both hold
 * 2. other → asker: the equal ones, told back; of the others (at most PARTITIONS_PER_ROUND) the hashes of the nodes
 * 3. asker → other: of the nodes that differ, the hashes of the leaves
 * 4. other → asker: of the leaves that differ, its keys with their hashes
 * 5. asker → other: its states of what differs, and the keys it wants; other → asker: those
 *
 * No step remembers the one before: whatever is lost or late, the next round begins anew, and a join does no harm twice.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { closeSpan, noteSpan, openSpan } from "@backplane/foundation-actor/effects"
import { PARTITIONS } from "@backplane/kv-contract/limits"
import type { PeerItemOf } from "@backplane/kv-contract/peer-items"
import type { KeyState } from "@backplane/kv-contract/versions"
import { placeName } from "@backplane/kv-replication/hash"
import { differing, LEAVES_PER_NODE } from "@backplane/kv-replication/merkle-tree"
import { holdersOf } from "@backplane/kv-replication/partition-map"
import { DAMAGE_KEY } from "@backplane/kv-store/log-store"
import type { ReplicaCore } from "./core.ts"

const PARTITIONS_PER_ROUND = 16
const STATES_PER_MESSAGE = 512

type Named = [bucket: string, key: string, state: KeyState]

export class AntiEntropy {
  readonly #core: ReplicaCore
  #rounds = 0

  constructor(core: ReplicaCore) {
    this.#core = core
  }

  /** Compares with the next of the others, in turn. */
  round(): void {
    const core = this.#core
    const others = core.options.map.members.map(({ id }) => id).filter((id) => id !== core.id && this.#shared(id).length > 0)
    const peer = others[this.#rounds++ % Math.max(1, others.length)]
    if (peer !== undefined) core.outbox.send(peer, { type: "sync-roots", roots: this.#roots(this.#shared(peer)), answer: false })
  }

  onRoots(from: ActorId, { roots, answer }: PeerItemOf<"sync-roots">): void {
    const core = this.#core
    const shared = new Set(this.#shared(from))
    const mine = roots.filter(([partition]) => shared.has(partition))
    const equal = mine.filter(([partition, root]) => core.table.tree(partition).root() === root)
    for (const [partition] of equal) this.#foundEqual(from, partition)
    if (answer) return
    core.outbox.send(from, { type: "sync-roots", roots: equal, answer: true })
    const apart = mine.filter((each) => !equal.includes(each)).slice(0, PARTITIONS_PER_ROUND)
    for (const [partition] of apart)
      core.outbox.send(from, { type: "sync-nodes", partition, hashes: [...core.table.tree(partition).nodes()] })
  }

  onNodes(from: ActorId, { partition, hashes }: PeerItemOf<"sync-nodes">): void {
    const tree = this.#core.table.tree(partition)
    const nodes = differing(tree.nodes(), hashes).map((node): [number, string[]] => [node, [...tree.leaves(node)]])
    if (nodes.length > 0) this.#core.outbox.send(from, { type: "sync-leaves", partition, nodes })
  }

  onLeaves(from: ActorId, { partition, nodes }: PeerItemOf<"sync-leaves">): void {
    const { table, outbox } = this.#core
    const tree = table.tree(partition)
    const leaves = nodes.flatMap(([node, hashes]) => differing(tree.leaves(node), hashes).map((leaf) => node * LEAVES_PER_NODE + leaf))
    if (leaves.length === 0) return
    const entries = table
      .recordsIn(partition, new Set(leaves))
      .flatMap(({ record, hash }): [string, string, string][] => (hash === null ? [] : [[record.bucket, record.key, hash]]))
    outbox.send(from, { type: "sync-keys", partition, leaves, entries: entries.slice(0, STATES_PER_MESSAGE) })
  }

  onKeys(from: ActorId, { partition, leaves, entries }: PeerItemOf<"sync-keys">): void {
    const { table } = this.#core
    const theirs = new Map(entries.map(([bucket, key, hash]) => [placeName(bucket, key), { bucket, key, hash }]))
    const mine = table.recordsIn(partition, new Set(leaves))
    const known = new Set(mine.map(({ record }) => placeName(record.bucket, record.key)))
    const differ = mine.filter(({ record, hash }) => theirs.get(placeName(record.bucket, record.key))?.hash !== (hash ?? undefined))
    const wanted = entries.filter(
      ([bucket, key, hash]) => mine.find(({ record }) => record.bucket === bucket && record.key === key)?.hash !== hash,
    )
    // What is not here is a statement too: the certified cut may say that it is dead.
    const absent = wanted.filter(([bucket, key]) => !known.has(placeName(bucket, key)))
    const states: Named[] = [
      ...differ.map(({ record }): Named => [record.bucket, record.key, record.state]),
      ...absent.map(([bucket, key]): Named => [bucket, key, table.stateOf({ bucket, key })]),
    ]
    this.#sendStates(
      from,
      partition,
      states,
      wanted.map(([bucket, key]): [string, string] => [bucket, key]),
    )
  }

  onStates(from: ActorId, { partition, states, wanted }: PeerItemOf<"sync-states">): void {
    const core = this.#core
    if (states.length > 0) core.outbox.effect(noteSpan("kv.reconcile anti-entropy", { "backplane.count": states.length }))
    for (const [bucket, key, state] of states) if (core.bucket(bucket) !== undefined) core.absorb({ bucket, key }, state, null)
    if (wanted.length === 0) return
    const asked = wanted.map(([bucket, key]): Named => [bucket, key, core.table.stateOf({ bucket, key })])
    this.#sendStates(from, partition, asked, [])
  }

  #sendStates(to: ActorId, partition: number, states: readonly Named[], wanted: [string, string][]): void {
    const core = this.#core
    const shown = states.filter(([bucket, key]) => !core.isUndurable({ bucket, key }))
    if (shown.length === 0 && wanted.length === 0) return
    const span = `sync/${core.freshId()}`
    core.outbox.effect(openSpan(span, "kv.reconcile anti-entropy", { "backplane.count": shown.length }, { root: true }))
    core.outbox.send(
      to,
      { type: "sync-states", partition, states: shown.slice(0, STATES_PER_MESSAGE), wanted: wanted.slice(0, STATES_PER_MESSAGE) },
      span,
    )
    core.outbox.atEnd(closeSpan(span))
  }

  /** A replica that lost data is sure of a partition again once it was found equal with all who hold it. */
  #foundEqual(from: ActorId, partition: number): void {
    const { unsure, options, id, durable } = this.#core
    const equal = unsure.get(partition)
    if (equal === undefined) return
    equal.add(from)
    const others = holdersOf(options.map, partition).filter((holder) => holder !== id)
    if (!others.every((holder) => equal.has(holder))) return
    unsure.delete(partition)
    if (unsure.size === 0) durable.write(DAMAGE_KEY, null, null)
  }

  #shared(peer: ActorId): readonly number[] {
    const { map } = this.#core.options
    const both = [this.#core.id, peer]
    return Array.from({ length: PARTITIONS }, (_, partition) => partition).filter((partition) =>
      both.every((id) => holdersOf(map, partition).includes(id)),
    )
  }

  #roots(partitions: readonly number[]): [number, string][] {
    return partitions.map((partition) => [partition, this.#core.table.tree(partition).root()])
  }
}
