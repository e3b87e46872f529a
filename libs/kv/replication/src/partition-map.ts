/**
 * Who holds which partition, and how that changes when a member comes or goes.
 *
 * Goal: every partition on N members, in different zones where there are so many, all members with the same load give or take one, and as few
 * moves as that takes. Procedure: keep what can stay, fill what is missing, then move single replicas from the fullest to the emptiest. A
 * change of members moves at most one replica of a partition at a time to a member that was not asked for by a loss, so every old quorum
 * and every new one share a replica. Limits: zones of very different size keep the zone rule and give up the even load.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import { compareActors, type ActorId } from "@backplane/foundation-actor/actor-id"
import { PARTITIONS, REPLICAS_DEFAULT } from "@backplane/kv-contract/limits"
import { hashOf } from "./hash.ts"

export interface Member {
  readonly id: ActorId
  /** Availability zone; members of one zone may fail together. */
  readonly zone: string
}

export interface PartitionMap {
  /** Grows by one with each change. */
  readonly epoch: number
  /** In the order of actors. */
  readonly members: readonly Member[]
  /** Per partition its holders; the first certifies. */
  readonly holders: readonly (readonly ActorId[])[]
}

export interface MapOptions {
  readonly replicas?: number
}

/** The map of `members`, as close to `before` as can be. */
export function partitionMap(members: readonly Member[], before: PartitionMap | null = null, options: MapOptions = {}): PartitionMap {
  assert(members.length > 0, "a store has a member")
  const ordered = members.toSorted((a, b) => compareActors(a.id, b.id))
  const replicas = Math.min(options.replicas ?? REPLICAS_DEFAULT, ordered.length)
  const draft = new Draft(ordered, replicas)
  for (let partition = 0; partition < PARTITIONS; partition++) draft.keep(partition, before?.holders[partition] ?? [])
  for (let partition = 0; partition < PARTITIONS; partition++) draft.fill(partition)
  draft.balance(before !== null)
  return { epoch: (before?.epoch ?? 0) + 1, members: ordered, holders: draft.holders }
}

export function holdersOf(map: PartitionMap, partition: number): readonly ActorId[] {
  return defined(map.holders[partition], "the partition is on the map")
}

/** The holders, then everybody else in an order of the partition's own: who may stand in for a holder that is away. */
export function preferenceList(map: PartitionMap, partition: number): readonly ActorId[] {
  const holders = holdersOf(map, partition)
  const others = map.members.map(({ id }) => id).filter((id) => !holders.includes(id))
  const weight = new Map(others.map((id) => [id, hashOf(`${partition}/${id}`).high]))
  return [...holders, ...others.toSorted((a, b) => (weight.get(a) ?? 0) - (weight.get(b) ?? 0) || compareActors(a, b))]
}

/** Replicas that `after` places where `before` had none: each is a copy over the network. */
export function movesBetween(before: PartitionMap, after: PartitionMap): number {
  return after.holders.reduce(
    (sum, holders, partition) => sum + holders.filter((id) => !holdersOf(before, partition).includes(id)).length,
    0,
  )
}

class Draft {
  readonly #members: readonly Member[]
  readonly #zones: ReadonlyMap<ActorId, string>
  readonly #replicas: number
  readonly #zonesWanted: number
  readonly holders: ActorId[][] = []
  readonly #loads: Map<ActorId, number>
  /** Partitions that already changed in this draft. */
  readonly #changed = new Set<number>()

  constructor(members: readonly Member[], replicas: number) {
    this.#members = members
    this.#zones = new Map(members.map(({ id, zone }) => [id, zone]))
    this.#replicas = replicas
    this.#zonesWanted = Math.min(replicas, new Set(members.map(({ zone }) => zone)).size)
    this.#loads = new Map(members.map(({ id }) => [id, 0]))
  }

  keep(partition: number, before: readonly ActorId[]): void {
    const kept = before.filter((id) => this.#loads.has(id)).slice(0, this.#replicas)
    this.holders[partition] = kept
    for (const id of kept) this.#add(id, 1)
    if (kept.length < before.length) this.#changed.add(partition)
  }

  fill(partition: number): void {
    const holders = defined(this.holders[partition], "kept before filled")
    while (holders.length < this.#replicas) {
      const free = this.#members.map(({ id }) => id).filter((id) => !holders.includes(id))
      const zoned = free.filter((id) => this.#spreads([...holders, id]))
      const id = this.#emptiest(zoned.length > 0 ? zoned : free, partition)
      holders.push(id)
      this.#add(id, 1)
    }
  }

  /** Moves single replicas while that makes the loads more even. `oncePerPartition` keeps old and new quorums together. */
  balance(oncePerPartition: boolean): void {
    const movesMax = PARTITIONS * this.#replicas
    for (let moves = 0; moves < movesMax && this.#moveOne(oncePerPartition); moves++);
  }

  #moveOne(oncePerPartition: boolean): boolean {
    const byLoad = this.#members.map(({ id }) => id).sort((a, b) => this.#load(a) - this.#load(b) || compareActors(a, b))
    for (const to of byLoad)
      for (const from of byLoad.toReversed()) {
        if (this.#load(from) - this.#load(to) < 2) break
        const partition = this.holders.findIndex(
          (_holders, index) => !(oncePerPartition && this.#changed.has(index)) && this.#canMove(index, from, to),
        )
        if (partition < 0) continue
        this.holders[partition] = (this.holders[partition] ?? []).map((id) => (id === from ? to : id))
        this.#changed.add(partition)
        this.#add(from, -1)
        this.#add(to, 1)
        return true
      }
    return false
  }

  #canMove(partition: number, from: ActorId, to: ActorId): boolean {
    const holders = this.holders[partition] ?? []
    if (!holders.includes(from) || holders.includes(to)) return false
    return this.#spreads(holders.map((id) => (id === from ? to : id)))
  }

  /** True where the zones of `holders` are as many as can be for their number. */
  #spreads(holders: readonly ActorId[]): boolean {
    return new Set(holders.map((id) => this.#zones.get(id))).size >= Math.min(holders.length, this.#zonesWanted)
  }

  #emptiest(candidates: readonly ActorId[], partition: number): ActorId {
    const rank = (id: ActorId): number => hashOf(`${partition}/${id}`).low
    const sorted = candidates.toSorted((a, b) => this.#load(a) - this.#load(b) || rank(a) - rank(b) || compareActors(a, b))
    return defined(sorted[0], "there are more members than holders")
  }

  #load(id: ActorId): number {
    return this.#loads.get(id) ?? 0
  }

  #add(id: ActorId, change: number): void {
    this.#loads.set(id, this.#load(id) + change)
  }
}
