/**
 * Hunts by script, for bugs that show only where several things go wrong in one order: a seed draws that order once in thousands, a script plays it.
 *
 * Each throws where the store breaks a promise, and nothing under sound rules. `seed` is how much of what was not synced a crash leaves.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { ConsensusItem } from "@backplane/kv-contract/consensus-items"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import type { Operation } from "@backplane/kv-contract/client-messages"
import { DONE_SEQUENCES_MAX } from "@backplane/kv-contract/limits"
import { CONFIG_KEY, SYSTEM_BUCKET } from "@backplane/kv-contract/store-config"
import type { Vector } from "@backplane/kv-contract/versions"
import type { ReplicaRules } from "@backplane/kv-replica/rules"
import { partitionOf } from "@backplane/kv-replication/hash"
import { liveValues } from "@backplane/kv-versioning/reconcile/reconciler"
import { MS, Scene, SECOND, type SceneOptions } from "./scene.ts"

export type DirectedHunt = (rules: Partial<ReplicaRules>, seed: number) => void

const REGISTER = { bucket: "register", key: "k0" } as const
const cas = (expect: string | null, value: string): Operation => ({ type: "cas", ...REGISTER, expect, value })
export const plain = (key: string, value: string): Extract<Operation, { readonly type: "put" }> => ({
  type: "put",
  bucket: "plain",
  key,
  value,
})
export const read = (key: string): Operation => ({ type: "get", bucket: "plain", key })

/** A store whose register holds "0", and its leader with the two who follow. */
function led(options: SceneOptions): { readonly scene: Scene; readonly leader: ActorId; readonly others: readonly [ActorId, ActorId] } {
  const scene = new Scene(options)
  scene.success(scene.holders(REGISTER.bucket, REGISTER.key), cas(null, "0"))
  scene.run(2 * SECOND)
  const leader = defined(scene.leader(REGISTER.bucket, REGISTER.key), "somebody leads")
  const [first, second] = scene.holders(REGISTER.bucket, REGISTER.key).filter((id) => id !== leader)
  return { scene, leader, others: [defined(first, "three hold it"), defined(second, "three hold it")] }
}

/** A leader that was cut off answers a read after another one has taken a write. */
export const staleLeader: DirectedHunt = (rules, seed) => {
  const { scene, leader, others } = led({ rules, seed })
  scene.world.partition([[leader], others])
  scene.run(2 * SECOND)
  scene.success(others, cas("0", "1"))
  const sequence = scene.ask(leader, { type: "get", ...REGISTER })
  scene.run(SECOND)
  const answer = scene.answer(sequence)
  assert(answer?.ok !== true || answer.values[0] === "1", "a read after a write gives the value before it")
}

/** A voter that loses power behind its vote votes again in the same term, for another. */
export const forgottenVote: DirectedHunt = (rules, seed) => {
  const { scene, leader, others } = led({ rules, seed, syncCycles: 100 * MS })
  const partition = partitionOf(REGISTER.bucket, REGISTER.key)
  const leaders = new Map<number, ActorId>()
  let wrong: string | null = null
  scene.world.addChecker("one leader a term", () => {
    for (const id of scene.holders(REGISTER.bucket, REGISTER.key)) {
      const group = scene.view(id)?.linear.group(partition)
      if (group?.role !== "leader") continue
      const before = leaders.get(group.term)
      if (before !== undefined && before !== id) wrong ??= `two leaders in term ${group.term}: ${before} and ${id}`
      leaders.set(group.term, id)
    }
  })
  let voter: ActorId | null = null
  scene.world.onMessage(({ at, from, to, body }) => {
    const message = body as KvMessage
    if (voter !== null || message.kind !== "KvPeer" || from === leader) return
    const isVote = (item: ConsensusItem): boolean =>
      item.partition === partition && item.message.step === "vote-answer" && item.message.granted
    if (!message.items.some((item) => item.type === "consensus" && isVote(item))) return
    voter = from
    // The vote arrives, its writing does not end.
    scene.world.at((at + 2) as typeof at, () => {
      // A torn end would be seen as damage: this crash leaves exactly what was synced.
      const place = defined(scene.disks.get(from), "each has a disk")
      place.restoreFrom = place.disk.synced()
      scene.crash(from)
      scene.world.partition([[to], scene.replicas.filter((id) => id !== to)])
    })
  })
  scene.crash(leader)
  scene.run(5 * SECOND)
  if (voter === null) return
  scene.world.restart(voter)
  scene.world.restart(leader)
  scene.run(5 * SECOND)
  if (wrong !== null) throw new Error(wrong)
  assert(others.includes(voter), "one of the others voted")
}

/** A request is done, another takes that back, the leader that remembers the answer dies, and the request comes once more. */
export const repeatedCommand: DirectedHunt = (rules, seed) => {
  const { scene, leader, others } = led({ rules, seed })
  const sequence = scene.ask(leader, cas("0", "1"))
  scene.run(100 * MS)
  scene.success([leader], cas("1", "0"))
  scene.crash(leader)
  for (let attempt = 1; attempt < 8; attempt++) {
    scene.ask(others[attempt % 2] as ActorId, cas("0", "1"), { sequence, attempt })
    scene.run(500 * MS)
  }
  const { values } = scene.success(others, { type: "get", ...REGISTER })
  assert(values[0] === "0", "a request that was sent again was done again")
}

/** A write is acknowledged, and all lose power before the disk is done. */
export const lostEntry: DirectedHunt = (rules, seed) => {
  const { scene, leader } = led({ rules, seed, syncCycles: 200 * MS })
  const sequence = scene.ask(leader, cas("0", "1"))
  scene.run(20 * MS)
  const isAcknowledged = scene.answer(sequence)?.ok === true
  for (const id of scene.replicas) scene.crash(id)
  for (const id of scene.replicas) scene.world.restart(id)
  const { values } = scene.success(scene.holders(REGISTER.bucket, REGISTER.key), { type: "get", ...REGISTER })
  assert(!isAcknowledged || values[0] === "1", "an acknowledged write of a register is lost")
}

/** Two of three lost all they knew, and the third is away: nobody left knows what was written. */
export const votersWithoutData: DirectedHunt = (rules, seed) => {
  const { scene, leader, others } = led({ rules, seed })
  const lost = [leader, others[0]]
  for (const id of lost) scene.damage(id)
  scene.world.partition([lost, [others[1]]])
  for (const id of lost) scene.world.restart(id)
  for (let attempt = 0; attempt < 20; attempt++) {
    const sequence = scene.ask(lost[attempt % 2] as ActorId, { type: "get", ...REGISTER })
    scene.run(300 * MS)
    const answer = scene.answer(sequence)
    assert(answer?.ok !== true || answer.values[0] === "0", "a register lost what was written")
  }
  scene.world.healNetwork()
  const { values } = scene.success(scene.holders(REGISTER.bucket, REGISTER.key), { type: "get", ...REGISTER })
  assert(values[0] === "0", "a register lost what was written")
}

/**
 * One of two that have an entry loses its data and is to go, the other is never there for long, and the third never had it: if who comes instead counted as
 * one that has all, these two would know of nothing.
 */
export const movedWithoutEntry: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed, members: 4, timings: { election: 5 * SECOND } })
  const voters = scene.holders(SYSTEM_BUCKET, CONFIG_KEY)
  const rare = defined(
    scene.replicas.find((id) => id !== scene.spare && !voters.includes(id)),
    "three of four hold the configuration",
  )
  const { bucket } = REGISTER
  const isOfRare = (next: readonly string[], holders: readonly string[]): boolean =>
    next.includes(rare) && next.includes(scene.spare) && holders.includes(rare)
  const key = scene.keyThatMoves(bucket, scene.replicas, isOfRare)
  const after = scene.nextHolders(bucket, key, scene.replicas)
  const [lost] = scene.holders(bucket, key).filter((id) => !after.includes(id)) as [ActorId]
  const [late] = scene.holders(bucket, key).filter((id) => id !== rare && id !== lost) as [ActorId]
  const without = (id: ActorId): ActorId[] => scene.replicas.filter((each) => each !== id)
  scene.world.partition([without(late), [late]])
  scene.success([rare, lost], { type: "cas", bucket, key, expect: null, value: "0" })
  scene.damage(lost)
  scene.world.partition([[rare], without(rare)])
  scene.world.restart(lost)
  scene.run(15 * SECOND)
  scene.change(scene.replicas)
  for (let time = 0; time < 20; time++) {
    // Long enough to be asked what it has, too short to stand.
    scene.crash(rare)
    scene.world.restart(rare)
    scene.world.healNetwork()
    scene.run(SECOND)
    scene.world.partition([[rare], without(rare)])
    const sequence = scene.ask(time % 2 === 0 ? late : scene.spare, { type: "get", bucket, key })
    scene.run(SECOND)
    const answer = scene.answer(sequence)
    assert(answer?.ok !== true || answer.values[0] === "0", "a register lost what was written")
  }
  scene.world.healNetwork()
  scene.moved()
  const { values } = scene.success(scene.holders(bucket, key), { type: "get", bucket, key })
  assert(values[0] === "0", "a register lost what was written")
}

/** A replica comes back from a backup that has a value of which all others let even the tombstone go. */
export const restoredBackup: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed, timings: { certifyRound: SECOND } })
  const [first, second, third] = scene.holders("plain", "k") as [ActorId, ActorId, ActorId]
  const { context } = scene.success([first], plain("k", "v"))
  scene.run(2 * SECOND)
  const place = defined(scene.disks.get(third), "each has a disk")
  const backup = place.disk.backup()
  scene.success([first], { type: "delete", bucket: "plain", key: "k", context })
  scene.run(10 * SECOND)
  assert(
    scene.states("plain", "k").every(({ versions }) => versions.length === 0),
    "the tombstone is collected before the backup comes",
  )
  place.restoreFrom = backup
  scene.crash(third)
  scene.world.restart(third)
  scene.run(10 * SECOND)
  const { values } = scene.success([second], read("k"))
  assert(values.length === 0, `deleted value came back: ${values.join()}`)
}

/** A replica that lost data answers a read together with one that never had the write. */
export const damagedQuorum: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed })
  const [first, second, third] = scene.holders("plain", "k") as [ActorId, ActorId, ActorId]
  scene.world.partition([[first, third], [second]])
  scene.success([first], plain("k", "v"))
  scene.damage(first)
  scene.world.partition([[first, second], [third]])
  scene.world.restart(first)
  scene.run(5 * MS)
  const sequence = scene.ask(first, read("k"))
  scene.run(500 * MS)
  const answer = scene.answer(sequence)
  assert(answer?.ok !== true || answer.values.includes("v"), "a read does not see an acknowledged write")
}

/** A stand-in keeps a write that no holder knows, while the holders agree on a later event of the same stand-in. */
export const hintUnderCertificate: DirectedHunt = (rules, seed) => {
  const lone = { name: "lone", policy: "siblings", sloppy: true, w: 1 } as const
  const scene = new Scene({ rules, seed, members: 4, buckets: [lone], timings: { hintRound: 20 * SECOND, certifyRound: 200 * MS } })
  const members = scene.replicas.slice(0, 4)
  const [early, late] = twoKeysOfOnePartition("lone")
  const holders = scene.holders("lone", early)
  const standIn = defined(
    members.find((id) => !holders.includes(id)),
    "one of four is no holder",
  )
  const put = (key: string, value: string): Operation => ({ type: "put", bucket: "lone", key, value, sloppy: true, w: 1 })
  scene.world.partition([[standIn], members.filter((id) => id !== standIn)])
  const sequence = scene.ask(standIn, put(early, "kept"), { attempt: 3 })
  scene.run(3 * SECOND)
  assert(scene.answer(sequence)?.ok === true, "the stand-in takes the write")
  scene.world.healNetwork()
  scene.ask(standIn, put(late, "seen"), { attempt: 3 })
  scene.run(60 * SECOND)
  const values = scene.states("lone", early).map(({ versions }) => [...liveValues(versions)])
  assert(
    values.every((each) => each.includes("kept")),
    "acknowledged write lost: kept",
  )
}

function twoKeysOfOnePartition(bucket: string): readonly [string, string] {
  for (let index = 1; index < 1000; index++) if (partitionOf(bucket, `k${index}`) === partitionOf(bucket, "k0")) return ["k0", `k${index}`]
  throw new Error("a thousand keys lie in more than one partition each")
}

/** One holder misses writes, and no hint of them comes: only anti-entropy can bring them. */
function missed(before: readonly Operation[], away: (context: Vector) => readonly Operation[]): DirectedHunt {
  return (rules, seed) => {
    const scene = new Scene({ rules, seed, timings: { hintRound: 3600 * SECOND, certifyRound: 3600 * SECOND } })
    const [first, second, third] = scene.holders("plain", "k") as [ActorId, ActorId, ActorId]
    for (const operation of before) scene.success([first], operation)
    scene.run(2 * SECOND)
    scene.world.partition([[first, second], [third]])
    const { context } = scene.success([first], plain("k", "b"))
    for (const operation of away(context)) scene.success([first], operation)
    scene.run(3 * SECOND)
    scene.world.healNetwork()
    scene.run(10 * SECOND)
    const [one, ...others] = scene.states("plain", "k").map(({ versions }) => JSON.stringify(versions))
    assert(
      others.every((each) => each === one),
      "replicas stay apart",
    )
  }
}
export const missedPut: DirectedHunt = missed([plain("k", "a")], () => [])
export const missedDelete: DirectedHunt = missed([], (context) => [{ type: "delete", bucket: "plain", key: "k", context }])

/** A value is read while it is on its way to the disks, and all lose power. */
export const readTooEarly: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed, syncCycles: 200 * MS })
  const [first] = scene.holders("plain", "k") as [ActorId]
  scene.ask(first, plain("k", "v"))
  scene.run(5 * MS)
  const sequence = scene.ask(first, read("k"))
  scene.run(10 * MS)
  const answer = scene.answer(sequence)
  const wasSeen = answer?.ok === true && answer.values.includes("v")
  for (const [id, place] of scene.disks) {
    place.restoreFrom = place.disk.synced()
    scene.crash(id)
  }
  for (const id of scene.replicas) scene.world.restart(id)
  const { values } = scene.success([first], read("k"))
  assert(!wasSeen || values.includes("v"), "a value was read, and then no more")
}

/** The joiner takes a partition over; of the old holders, one that stays never had the write. */
export const emptyJoiner: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed, timings: { hintRound: 3600 * SECOND, syncRound: 3600 * SECOND } })
  const everybody = scene.replicas
  let stays: readonly string[] = []
  const key = scene.keyThatMoves("plain", everybody, (next, holders) => {
    stays = holders.filter((id) => next.includes(id))
    return next.includes(scene.spare) && stays.length === 2
  })
  const [without] = everybody.filter((id) => stays.includes(id))
  const others = everybody.filter((id) => id !== without)
  scene.world.partition([others, [defined(without, "two stay")]])
  const first = others.filter((id) => id !== scene.spare)
  scene.success(first, plain(key, "v"))
  scene.run(2 * SECOND)
  scene.world.healNetwork()
  scene.change(everybody)
  scene.moved()
  scene.world.partition([[scene.spare, defined(without, "two stay")], first])
  const sequence = scene.ask(scene.spare, read(key))
  scene.run(800 * MS)
  const answer = scene.answer(sequence)
  assert(answer?.ok !== true || answer.values.includes("v"), "a read after a move does not see an acknowledged write")
}

/** A key of which the spare takes over the copy of one of three: who leaves, and the two that stay. */
function aMove(scene: Scene): { readonly key: string; readonly left: ActorId; readonly near: ActorId; readonly far: ActorId } {
  let stays: readonly string[] = []
  const key = scene.keyThatMoves("plain", scene.replicas, (next, holders) => {
    stays = holders.filter((id) => next.includes(id))
    return next.includes(scene.spare) && stays.length === 2
  })
  const holders = scene.holders("plain", key)
  const left = defined(
    holders.find((id) => !stays.includes(id)),
    "one of three leaves",
  )
  const [near, far] = holders.filter((id) => stays.includes(id)) as [ActorId, ActorId]
  return { key, left, near, far }
}

function untilMoved(scene: Scene, key: string): void {
  for (let second = 0; second < 30 && !scene.holders("plain", key).includes(scene.spare); second++) scene.run(SECOND)
  assert(scene.holders("plain", key).includes(scene.spare), "the partition has moved")
}

/** Who held a partition before it moved, and has not heard of that, writes with one that holds it still. */
export const leftHolder: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed, timings: { hintRound: 3600 * SECOND, syncRound: 3600 * SECOND } })
  const { key, left, near, far } = aMove(scene)
  scene.world.partition([[left], scene.replicas.filter((id) => id !== left)])
  scene.change(scene.replicas)
  untilMoved(scene, key)
  scene.world.partition([
    [left, near],
    [far, scene.spare],
  ])
  const written = scene.ask(left, plain(key, "v"))
  scene.run(20 * MS)
  if (scene.answer(written)?.ok !== true) return
  const sequence = scene.ask(far, read(key))
  scene.run(800 * MS)
  const answer = scene.answer(sequence)
  assert(answer?.ok !== true || answer.values.includes("v"), "a read after a move does not see what the old holder had acknowledged")
}

/** A write is acknowledged by two of the old holders after they were copied: the new ones would have a majority that never heard of it. */
export const oldHoldersAlone: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed, timings: { hintRound: 3600 * SECOND, syncRound: 3600 * SECOND } })
  const { key, left, near, far } = aMove(scene)
  const partition = partitionOf("plain", key)
  const copied = new Set<ActorId>()
  let written: number | null = null
  scene.world.onMessage(({ at, from, to, body }) => {
    const message = body as KvMessage
    if (written !== null || message.kind !== "KvPeer" || to !== scene.spare) return
    if (message.items.some((item) => item.type === "move-page" && item.partition === partition)) copied.add(from)
    if (!copied.has(near) || !copied.has(left)) return
    written = 0
    scene.world.at((at + 10) as typeof at, () => {
      scene.world.partition([
        [near, left],
        [far, scene.spare],
      ])
      written = scene.ask(near, plain(key, "v"))
    })
  })
  scene.change(scene.replicas)
  scene.run(300 * MS)
  if (written === null || scene.answer(written)?.ok !== true) return
  scene.world.partition([[far, scene.spare, left], [near]])
  untilMoved(scene, key)
  const sequence = scene.ask(far, read(key))
  scene.run(800 * MS)
  const answer = scene.answer(sequence)
  assert(answer?.ok !== true || answer.values.includes("v"), "a read after a move does not see what two old holders had acknowledged")
}

/** A request waits at a replica that stands still; another does it, and more of the key are done than a key remembers; then the replica goes on. */
export const standsStill: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed })
  const [still, other, third] = scene.holders("plain", "k0") as [ActorId, ActorId, ActorId]
  let { context } = scene.success([still], plain("k0", "first"))
  const late = { ...plain("k0", "late"), context }
  scene.world.pause(still)
  const sequence = scene.ask(still, late)
  // Its peers' words do not wait there, too: what they did is known to it only as it is in the end.
  scene.world.partition([[still], [other, third]])
  scene.run(100 * MS)
  scene.ask(other, late, { sequence, attempt: 1 })
  scene.run(500 * MS)
  const answer = defined(scene.answer(sequence), "the other one answers")
  assert(answer.ok, "and does it")
  context = answer.context
  for (let index = 0; index < 2 * DONE_SEQUENCES_MAX; index++)
    context = scene.success([other], { ...plain("k0", `later-${index}`), context }).context
  scene.world.healNetwork()
  scene.world.resume(still)
  scene.run(10 * SECOND)
  const { values } = scene.success([still, other], read("k0"))
  assert(!values.includes("late"), "what was replaced came back with a copy of its request")
}
