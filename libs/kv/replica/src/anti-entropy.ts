/**
 * Compares partitions with another holder by their Merkle trees and joins what differs, in five steps of which equal replicas need one:
 *
 * 1. asker → other: roots of all partitions that both hold
 * 2. other → asker: the equal ones, told back; of the others the hashes of the nodes
 * 3. asker → other: of the nodes that differ, the hashes of the leaves, or a digest of those where the other says that it understands it
 * 4. other → asker: of the leaves that differ, its keys with the hash and the latest event of each
 * 5. asker → other: its states where it has the later event or the other has nothing, and the keys it wants; other → asker: those.
 *    Whoever makes more of a state by joining it sends the join back, so a state crosses once where one side had all that the other has.
 *
 * No step remembers the one before: whatever is lost or late, the next round begins anew, and a join does no harm twice.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { closeSpan, noteSpan, openSpan } from "@backplane/foundation-actor/effects"
import { PARTITIONS } from "@backplane/kv-contract/limits"
import type { PeerItemOf } from "@backplane/kv-contract/peer-items"
import type { StoreConfig } from "@backplane/kv-contract/store-config"
import type { KeyState } from "@backplane/kv-contract/versions"
import { placeName, type Hash64 } from "@backplane/kv-replication/hash"
import { differing, LEAVES_PER_NODE } from "@backplane/kv-replication/merkle-tree"
import { holdersIn, keepersIn } from "@backplane/kv-replication/placement"
import { highestCount } from "@backplane/kv-versioning/vector"
import { reconcileAttributes } from "./reconcile-attributes.ts"
import type { ReplicaCore } from "./core.ts"

/** Leaves whose keys travel in one message, and what one message of states holds at most. */
const LEAVES_PER_MESSAGE = 32
const STATES_PER_MESSAGE = 256
const STATE_CHARACTERS_PER_MESSAGE = 256 * 1024

type Named = [bucket: string, key: string, state: KeyState]
type Entry = [bucket: string, key: string, hash: string, latest: number]

export class AntiEntropy {
  readonly #core: ReplicaCore
  #rounds = 0
  /** Partitions that a peer keeps too, under one configuration. */
  readonly #sharedWith = new Map<ActorId, readonly number[]>()
  #sharedUnder: StoreConfig | null = null

  constructor(core: ReplicaCore) {
    this.#core = core
  }

  /** Compares with the next of the others, in turn. */
  round(): void {
    const core = this.#core
    const others = core.config.members.map(({ id }) => id as ActorId).filter((id) => id !== core.id && this.#shared(id).length > 0)
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
    const apart = mine.filter((each) => !equal.includes(each))
    // Not by the version: there were programs of the second that know no digests. They ignore the word, and tell hashes.
    const brief = core.versions.knows(from, 2) ? { brief: true } : {}
    for (const [partition] of apart)
      core.outbox.send(from, { type: "sync-nodes", partition, hashes: [...core.table.tree(partition).nodes()], ...brief })
  }

  onNodes(from: ActorId, { partition, hashes, brief }: PeerItemOf<"sync-nodes">): void {
    const { table, outbox } = this.#core
    const tree = table.tree(partition)
    const mine = tree.nodes()
    const apart = differing(mine, hashes)
    if (apart.length === 0) return
    const leaves =
      brief === true
        ? { nodes: [], digests: apart.map((node): [number, string, string] => [node, mine[node] ?? "", tree.digest(node)]) }
        : { nodes: apart.map((node): [number, string[]] => [node, [...tree.leaves(node)]]) }
    outbox.send(from, { type: "sync-leaves", partition, ...leaves })
  }

  onLeaves(from: ActorId, { partition, nodes, digests = [] }: PeerItemOf<"sync-leaves">): void {
    const { table, outbox } = this.#core
    const tree = table.tree(partition)
    const leaves = [
      ...nodes.flatMap(([node, hashes]) => differing(tree.leaves(node), hashes).map((leaf) => node * LEAVES_PER_NODE + leaf)),
      ...digests.flatMap(([node, hash, digest]) => tree.differingBy(node, hash, digest).map((leaf) => node * LEAVES_PER_NODE + leaf)),
    ]
    for (let first = 0; first < leaves.length; first += LEAVES_PER_MESSAGE) {
      const some = leaves.slice(first, first + LEAVES_PER_MESSAGE)
      const entries = table
        .recordsIn(partition, some)
        .flatMap(({ record, hash }): Entry[] =>
          hash === null ? [] : [[record.bucket, record.key, hash, highestCount(record.state.context)]],
        )
      outbox.send(from, { type: "sync-keys", partition, leaves: some, entries })
    }
  }

  onKeys(from: ActorId, { partition, leaves, entries }: PeerItemOf<"sync-keys">): void {
    const { table } = this.#core
    const theirs = new Map(entries.map(([bucket, key, hash, latest]) => [placeName(bucket, key), { hash, latest }]))
    const states: Named[] = []
    const wanted = new Map(entries.map(([bucket, key]): [string, [string, string]] => [placeName(bucket, key), [bucket, key]]))
    for (const { record, hash } of table.recordsIn(partition, leaves)) {
      const place = placeName(record.bucket, record.key)
      const their = theirs.get(place)
      const mineIsLater = their === undefined || highestCount(record.state.context) > their.latest
      if (their?.hash === hash || (their === undefined && hash === null)) wanted.delete(place)
      else if (mineIsLater) {
        wanted.delete(place)
        states.push([record.bucket, record.key, record.state])
      }
    }
    this.#sendStates(from, partition, states, [...wanted.values()])
  }

  onStates(from: ActorId, { partition, states, wanted }: PeerItemOf<"sync-states">): void {
    const core = this.#core
    if (states.length > 0) core.outbox.effect(noteSpan("kv.reconcile anti-entropy", { "backplane.count": states.length }))
    const more = states.flatMap(([bucket, key, state]): Named[] => {
      if (core.bucket(bucket) === undefined) return []
      // Who sent it hears of what became of it in the next round.
      if (core.doubts.holdsBack(from, { bucket, key }, state, () => core.absorb({ bucket, key }, state, null))) return []
      core.absorb({ bucket, key }, state, null)
      // What is not here is a statement too: the certified cut may say that what came is dead.
      const joined = core.table.stateOf({ bucket, key })
      return isSameHash(core.rules.stateHash(joined), core.rules.stateHash(state)) ? [] : [[bucket, key, joined]]
    })
    const asked = wanted.map(([bucket, key]): Named => [bucket, key, core.table.stateOf({ bucket, key })])
    this.#sendStates(from, partition, [...more, ...asked], [])
  }

  #sendStates(to: ActorId, partition: number, states: readonly Named[], wanted: [string, string][]): void {
    const core = this.#core
    const shown = states.filter(([bucket, key]) => !core.isUndurable({ bucket, key }))
    if (shown.length === 0 && wanted.length === 0) return
    const span = `sync/${core.freshId()}`
    const sent = shown.map(([, , state]) => state)
    const told = shown.map(([bucket, key, state]) => ({ bucket, key, state }))
    const attributes = { ...reconcileAttributes(core, told), "backplane.replicas": `${core.id} ${to}` }
    core.outbox.effect(openSpan(span, "kv.reconcile anti-entropy", attributes, { root: true, links: core.traces.linksOf(sent) }))
    for (const some of inMessages(shown)) core.outbox.send(to, { type: "sync-states", partition, states: some, wanted: [] }, span)
    for (let first = 0; first < wanted.length; first += STATES_PER_MESSAGE)
      core.outbox.send(to, { type: "sync-states", partition, states: [], wanted: wanted.slice(first, first + STATES_PER_MESSAGE) }, span)
    core.outbox.atEnd(closeSpan(span))
  }

  /** A replica that lost data is sure of a partition again once it was found equal with all who hold it. */
  #foundEqual(from: ActorId, partition: number): void {
    const { unsure, config, id } = this.#core
    const equal = unsure.get(partition)
    if (equal === undefined) return
    equal.add(from)
    const others = holdersIn(config, partition).filter((holder) => holder !== id)
    if (!others.every((holder) => equal.has(holder))) return
    this.#core.isSureOf(partition)
  }

  #shared(peer: ActorId): readonly number[] {
    const { config } = this.#core
    if (this.#sharedUnder !== config) this.#sharedWith.clear()
    this.#sharedUnder = config
    const known = this.#sharedWith.get(peer)
    if (known !== undefined) return known
    const shared = Array.from({ length: PARTITIONS }, (_, partition) => partition).filter((partition) => {
      const keepers = keepersIn(config, partition)
      return keepers.includes(this.#core.id) && keepers.includes(peer)
    })
    this.#sharedWith.set(peer, shared)
    return shared
  }

  #roots(partitions: readonly number[]): [number, string][] {
    return partitions.map((partition) => [partition, this.#core.table.tree(partition).root()])
  }
}

function isSameHash(a: Hash64 | null, b: Hash64 | null): boolean {
  return a?.high === b?.high && a?.low === b?.low
}

/** Cuts a list into what one item may hold. */
function inMessages(states: readonly Named[]): Named[][] {
  const messages: Named[][] = []
  let characters = 0
  for (const named of states) {
    const size = sizeOf(named)
    const last = messages.at(-1)
    if (last !== undefined && last.length < STATES_PER_MESSAGE && characters + size <= STATE_CHARACTERS_PER_MESSAGE) {
      last.push(named)
      characters += size
    } else {
      messages.push([named])
      characters = size
    }
  }
  return messages
}

function sizeOf([, key, state]: Named): number {
  const values = state.versions.reduce((sum, { value }) => sum + (value?.length ?? 0), 0)
  return key.length + values + (state.crdt === undefined ? 0 : JSON.stringify(state.crdt).length)
}
