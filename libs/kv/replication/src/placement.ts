/**
 * Who holds which partition while that changes: two sets of holders, and quorums of both.
 *
 * Procedure of a move: a change of members gives some partitions a *next* set of holders (one step of the epoch). From then on every quorum is
 * met in the old and in the next set, and messages of older epochs about the partition are refused by who knows better. The replica that comes
 * copies the partition from a majority of the old holders, each of which knows of the move by then; whatever was acknowledged under the old
 * set alone lies with one of them, whatever came later lies with a quorum of the next set. Then the next set takes over (another step).
 *
 * Invariants:
 * P1 Two quorums of neighbouring epochs meet, in a replica that knows the later one.
 * P2 A partition moves only once at a time; its epoch of change only grows.
 * Source: the joint sets of Ongaro and Ousterhout, "In search of an understandable consensus algorithm" (2014), section 6, for each partition.
 */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Bucket } from "@backplane/kv-contract/bucket"
import { PARTITIONS } from "@backplane/kv-contract/limits"
import { SYSTEM_BUCKET, type StoreConfig, type StoreMember } from "@backplane/kv-contract/store-config"
import { partitionMap, type Member, type PartitionMap } from "./partition-map.ts"

/** There in every store: the configuration lies in it. */
const SYSTEM: Bucket = { name: SYSTEM_BUCKET, policy: "linear" }

/** `version`: that every member is known to speak. */
export function firstConfig(map: PartitionMap, buckets: readonly Bucket[], version = 1): StoreConfig {
  return {
    epoch: map.epoch,
    members: map.members.map(({ id, zone }) => ({ id, zone })),
    holders: map.holders.map((holders) => [...holders]),
    next: {},
    changed: new Array<number>(PARTITIONS).fill(0),
    buckets: [SYSTEM, ...buckets.filter(({ name }) => name !== SYSTEM_BUCKET)],
    ...(version > 1 ? { version } : {}),
  }
}

/** The configuration without its moves. */
export function mapOf({ epoch, members, holders }: StoreConfig): PartitionMap {
  return { epoch, members: members as Member[], holders: holders as ActorId[][] }
}

/** Those who hold the partition: a read quorum is one of these. */
export function holdersIn(config: StoreConfig, partition: number): readonly ActorId[] {
  return (config.holders[partition] ?? []) as ActorId[]
}

/** Those who will hold it, or null where it is not moved. */
export function nextIn(config: StoreConfig, partition: number): readonly ActorId[] | null {
  return (config.next[String(partition)] ?? null) as ActorId[] | null
}

/** All who keep what is written to the partition. */
export function keepersIn(config: StoreConfig, partition: number): readonly ActorId[] {
  const holders = holdersIn(config, partition)
  const next = nextIn(config, partition)
  return next === null ? holders : [...holders, ...next.filter((id) => !holders.includes(id))]
}

/** True where `has` holds for `needed` of the holders and, of a partition that is moved, for as many of the next. */
export function isQuorum(config: StoreConfig, partition: number, has: (id: ActorId) => boolean, needed: number): boolean {
  const met = (ids: readonly ActorId[]): boolean => {
    let count = 0
    for (const id of ids) if (has(id)) count++
    return count >= Math.min(needed, ids.length)
  }
  const next = nextIn(config, partition)
  return met(holdersIn(config, partition)) && (next === null || met(next))
}

export function isMoving(config: StoreConfig): boolean {
  return Object.keys(config.next).length > 0
}

/** Begins the moves that `members` need, as few as can be. Refused while others are under way. */
export function withMembers(config: StoreConfig, members: readonly StoreMember[]): StoreConfig | { readonly refused: string } {
  if (isMoving(config)) return { refused: "partitions are being moved already: wait until `kv status` shows none" }
  if (members.length === 0) return { refused: "a store needs a member" }
  const wanted: Member[] = members.map(({ id, zone }) => ({ id: actorId(id), zone }))
  const after = partitionMap(wanted, mapOf(config))
  const epoch = config.epoch + 1
  const moved = after.holders.flatMap((holders, partition) =>
    holders.join(" ") === holdersIn(config, partition).join(" ") ? [] : [[partition, [...holders] as string[]] as const],
  )
  const coming = members.filter(({ id }) => !config.members.some((member) => member.id === id))
  const together = [...config.members, ...coming]
  const target = [...members]
  if (moved.length === 0) return { ...config, epoch, members: target }
  return {
    ...config,
    epoch,
    members: together,
    target,
    next: Object.fromEntries(moved.map(([partition, holders]) => [String(partition), holders])),
    changed: config.changed.map((changed, partition) => (moved.some(([each]) => each === partition) ? epoch : changed)),
  }
}

/** The next holders take `partitions` over; with the last one, the members that nothing is left with go. */
export function withMoved(config: StoreConfig, partitions: readonly number[]): StoreConfig {
  const epoch = config.epoch + 1
  const done = new Set(partitions.filter((partition) => nextIn(config, partition) !== null))
  const next = Object.fromEntries(Object.entries(config.next).filter(([partition]) => !done.has(Number(partition))))
  const { target, ...rest } = config
  const isLast = Object.keys(next).length === 0
  return {
    ...rest,
    epoch,
    next,
    holders: config.holders.map((holders, partition) => (done.has(partition) ? [...(nextIn(config, partition) ?? holders)] : holders)),
    changed: config.changed.map((changed, partition) => (done.has(partition) ? epoch : changed)),
    members: isLast && target !== undefined ? target : config.members,
    ...(isLast || target === undefined ? {} : { target }),
  }
}

/** Every member speaks `version`. */
export function withVersion(config: StoreConfig, version: number): StoreConfig {
  return { ...config, epoch: config.epoch + 1, version }
}

/** With another bucket; one of the name must not be there. */
export function withBucket(config: StoreConfig, bucket: Bucket): StoreConfig {
  return { ...config, epoch: config.epoch + 1, buckets: [...config.buckets, bucket] }
}

/** Replicas that the moves under way place where there was none: each is a copy over the network. */
export function copiesUnderWay(config: StoreConfig): number {
  return Object.keys(config.next).reduce((sum, partition) => {
    const holders = holdersIn(config, Number(partition))
    return sum + (nextIn(config, Number(partition)) ?? []).filter((id) => !holders.includes(id)).length
  }, 0)
}
