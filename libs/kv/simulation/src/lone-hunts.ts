/**
 * Scripts in which one replica alone has a version whose request others did, replaced and forgot: killed, cut off, or come back with an old disk.
 *
 * What is promised: it does not come back. What was promised by that replica alone (W = 1) stays.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Operation } from "@backplane/kv-contract/client-messages"
import { DONE_SEQUENCES_MAX } from "@backplane/kv-contract/limits"
import type { Vector } from "@backplane/kv-contract/versions"
import type { ReplicaRules } from "@backplane/kv-replica/rules"
import { plain, read, type DirectedHunt } from "./directed-hunts.ts"
import { MS, Scene, SECOND } from "./scene.ts"

const LATER = 2 * DONE_SEQUENCES_MAX

/**
 * A replica is killed with a version that only it has; another does the request, and more of the key are done than a key remembers; then the replica
 * comes back. Gives the scene, for who asks what else is there.
 */
export function aLoneVersion(
  rules: Partial<ReplicaRules>,
  seed: number,
  operation: Extract<Operation, { readonly type: "put" | "update" }>,
): Scene {
  const scene = new Scene({ rules, seed })
  const { bucket, key } = operation
  const [lone, other, third] = scene.holders(bucket, key) as [ActorId, ActorId, ActorId]
  const first = scene.success([lone], operation)
  scene.run(3 * SECOND)
  scene.world.partition([[lone], [other, third]])
  const twice = operation.type === "put" ? { ...operation, value: "twice", context: first.context } : operation
  const sequence = scene.ask(lone, twice)
  scene.run(20 * MS)
  scene.crash(lone)
  scene.ask(other, twice, { sequence, attempt: 1 })
  scene.run(500 * MS)
  const answer = defined(scene.answer(sequence), "the other one answers")
  assert(answer.ok, "and does it")
  let { context } = answer
  for (let index = 0; index < 2 * DONE_SEQUENCES_MAX; index++)
    context = scene.success([other], operation.type === "put" ? { ...operation, value: `later-${index}`, context } : operation).context
  scene.world.healNetwork()
  scene.world.restart(lone)
  scene.run(10 * SECOND)
  return scene
}

/** What was replaced is asked for where it lay alone, and elsewhere. */
export const loneVersion: DirectedHunt = (rules, seed) => demandLatest(aLoneVersion(rules, seed, plain("k0", "first")))

/** Of a counter each event counts, so what one alone counted would count beside its repeat. */
export const loneCount: DirectedHunt = (rules, seed) => {
  const scene = aLoneVersion(rules, seed, { type: "update", bucket: "count", key: "k0", operation: { op: "increment", by: 1 } })
  const { result } = scene.success(scene.holders("count", "k0"), { type: "get", bucket: "count", key: "k0" })
  assert(result === LATER + 2, `${LATER + 2} increments, each once, count ${String(result)}`)
}

/** Twice as many requests of the key as it remembers, each on what the last one left. */
function forgetBy(scene: Scene, id: ActorId, operation: Extract<Operation, { readonly type: "put" }>): void {
  let context: Vector = operation.context ?? {}
  for (let index = 0; index < LATER; index++) context = scene.success([id], { ...operation, value: `later-${index}`, context }).context
}

/** What is read at each holder of the key, which all know how it was replaced. */
function demandLatest(scene: Scene, key = "k0"): void {
  for (const id of scene.holders("plain", key)) {
    const { values } = scene.success([id], read(key))
    assert(values.join() === `later-${LATER - 1}`, `a replaced value came back: ${values.join()}`)
  }
}

/** A coordinator is cut off, and not killed, with a version that only it has; another does the request, which is replaced and forgotten. */
export const cutOffVersion: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed })
  const [lone, other, third] = scene.holders("plain", "k0") as [ActorId, ActorId, ActorId]
  const twice = { ...plain("k0", "twice"), context: scene.success([lone], plain("k0", "first")).context }
  scene.world.partition([[lone], [other, third]])
  const sequence = scene.ask(lone, twice)
  scene.run(20 * MS)
  forgetBy(scene, other, { ...twice, context: againBy(scene, other, { sequence, operation: twice }) })
  scene.world.healNetwork()
  demandLatest(scene)
  scene.run(10 * SECOND)
  demandLatest(scene)
}

/** As before, while the key's partition is moved, and for long: who is to hold it is away. */
export const cutOffWhileMoved: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed })
  const key = scene.keyThatMoves("plain", scene.replicas, (next) => next.includes(scene.spare))
  const [lone, other, third] = scene.holders("plain", key) as [ActorId, ActorId, ActorId]
  const twice = { ...plain(key, "twice"), context: scene.success([lone], plain(key, "first")).context }
  scene.world.partition([[lone], [other, third]])
  const sequence = scene.ask(lone, twice)
  scene.run(20 * MS)
  const context = againBy(scene, other, { sequence, operation: twice })
  forgetBy(scene, other, { ...twice, context })
  scene.crash(scene.spare)
  scene.change(scene.replicas)
  scene.world.healNetwork()
  for (const seconds of [0, 10]) {
    scene.run(seconds * SECOND)
    demandLatest(scene, key)
  }
  scene.world.restart(scene.spare)
  scene.moved()
  demandLatest(scene, key)
}

/**
 * A coordinator is cut off with a write that is not answered yet, while others do more of the key than they remember. They take its version for an old one:
 * the write is not answered as done, and who repeats it has it done.
 */
export const refusedWrite: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed })
  const [lone, other, third] = scene.holders("plain", "k0") as [ActorId, ActorId, ActorId]
  scene.success([lone], plain("k0", "first"))
  scene.world.partition([[lone], [other, third]])
  const wanted = plain("k0", "wanted")
  const sequence = scene.ask(lone, wanted)
  scene.run(20 * MS)
  let context: Vector = {}
  for (let index = 0; index <= DONE_SEQUENCES_MAX; index++) {
    const later = scene.ask(other, { ...plain("k0", `later-${index}`), context })
    scene.run(40 * MS)
    const answer = scene.answer(later)
    assert(answer?.ok === true, "the others go on")
    context = answer.context
  }
  assert(scene.answer(sequence) === undefined, "the write is not answered while its coordinator is cut off")
  scene.world.healNetwork()
  scene.run(500 * MS)
  const isWanted = (id: ActorId): boolean => scene.success([id], read("k0")).values.includes("wanted")
  const answer = scene.answer(sequence)
  assert(answer?.ok !== true || isWanted(third), "an acknowledged write is lost")
  scene.ask(lone, wanted, { sequence, attempt: 1 })
  scene.run(500 * MS)
  assert(scene.answer(sequence)?.ok === true, "it is done for who repeats it")
  for (const id of [lone, other, third]) assert(isWanted(id), `the repeated write is lost at ${id}`)
}

/** Another does the request that was not answered. */
function againBy(scene: Scene, id: ActorId, { sequence, operation }: { readonly sequence: number; readonly operation: Operation }): Vector {
  scene.ask(id, operation, { sequence, attempt: 1 })
  scene.run(500 * MS)
  const answer = defined(scene.answer(sequence), "the other one answers")
  assert(answer.ok, "and does it")
  return answer.context
}

/** All lose a version of `k0` with their power, and one has it on an old copy of its disk; another does the request. Gives what brings that copy back. */
function onOldDisk(scene: Scene): { readonly third: ActorId; readonly context: Vector; readonly comesBack: () => void } {
  const [coordinator, holder, third] = scene.holders("plain", "k0") as [ActorId, ActorId, ActorId]
  const twice = { ...plain("k0", "twice"), context: scene.success([coordinator], plain("k0", "first")).context }
  scene.run(3 * SECOND)
  scene.world.partition([[third], [coordinator, holder]])
  const sequence = scene.ask(coordinator, twice)
  const isHeld = (): boolean => scene.view(holder)?.table.record({ bucket: "plain", key: "k0" })?.state.versions.at(-1)?.value === "twice"
  while (!isHeld()) scene.run(MS / 4)
  const place = defined(scene.disks.get(holder), "each replica has a disk")
  const copy = place.disk.backup()
  for (const id of [coordinator, holder]) scene.crash(id)
  scene.world.healNetwork()
  for (const id of [coordinator, holder]) scene.world.restart(id)
  scene.run(10 * SECOND)
  const comesBack = (): void => {
    place.restoreFrom = copy
    scene.crash(holder)
    scene.world.restart(holder)
  }
  return { third, context: againBy(scene, third, { sequence, operation: twice }), comesBack }
}

/** A holder comes back with an old disk: a version is there that all lost with their power, whose request was done anew, replaced and forgotten. */
export const heldVersion: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed })
  const { third, context, comesBack } = onOldDisk(scene)
  forgetBy(scene, third, { ...plain("k0", ""), context })
  comesBack()
  demandLatest(scene)
  scene.run(10 * SECOND)
  demandLatest(scene)
}

/** As before, but that the key was deleted and collected: few requests were done since, and nobody remembers the old ones all the same. */
export const collectedVersion: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed, timings: { certifyRound: SECOND } })
  const { third, context, comesBack } = onOldDisk(scene)
  scene.success([third], { type: "delete", bucket: "plain", key: "k0", context })
  scene.run(10 * SECOND)
  assert(
    scene.states("plain", "k0").every(({ versions }) => versions.length === 0),
    "the tombstone is collected before the old disk comes",
  )
  scene.success([third], plain("k0", "last"))
  comesBack()
  for (const seconds of [0, 10]) {
    scene.run(seconds * SECOND)
    for (const id of scene.holders("plain", "k0")) {
      const { values } = scene.success([id], read("k0"))
      assert(values.join() === "last", `a deleted value came back: ${values.join()}`)
    }
  }
}

/** All lose the end of their logs with their power after a deletion was collected; then one of them comes back with an old disk. */
export const powerAfterCollection: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed, timings: { certifyRound: SECOND } })
  const [first, second, third] = scene.holders("plain", "k0") as [ActorId, ActorId, ActorId]
  const { context } = scene.success([first], plain("k0", "v"))
  scene.run(2 * SECOND)
  const place = defined(scene.disks.get(third), "each replica has a disk")
  const copy = place.disk.backup()
  scene.success([first], { type: "delete", bucket: "plain", key: "k0", context })
  scene.run(10 * SECOND)
  assert(
    scene.states("plain", "k0").every(({ versions }) => versions.length === 0),
    "the tombstone is collected before the power goes",
  )
  scene.ask(first, plain("k1", "x".repeat(5000)))
  scene.run(3 * MS)
  for (const id of [first, second, third]) scene.crash(id)
  place.restoreFrom = copy
  for (const id of [first, second, third]) scene.world.restart(id)
  scene.run(10 * MS)
  assert((scene.view(first)?.unsure.size ?? 0) > 0, "the end of the first one's log is torn")
  scene.run(10 * SECOND)
  const { values } = scene.success([second], read("k0"))
  assert(values.length === 0, `a deleted value came back: ${values.join()}`)
}

/** What was answered by one replica alone, as W = 1 has it, stays, however much of the key was done elsewhere while that one was cut off. */
export const weakVersion: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed })
  const [lone, other, third] = scene.holders("weak", "k0") as [ActorId, ActorId, ActorId]
  scene.world.partition([[lone], [other, third]])
  scene.success([lone], { ...plain("k0", "alone"), bucket: "weak" })
  forgetBy(scene, other, { ...plain("k0", ""), bucket: "weak" })
  scene.world.healNetwork()
  scene.run(10 * SECOND)
  const { values } = scene.success([third], { ...read("k0"), bucket: "weak" } as Operation)
  assert(values.includes("alone"), `what was answered is lost: ${values.join()}`)
}

/** What one holder and a stand-in promised stays, though the other holders do more of the key than they remember before either comes back. */
export const standInVersion: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed, members: 4 })
  const [lone, other, third] = scene.holders("far", "k0") as [ActorId, ActorId, ActorId]
  const standIn = defined(
    scene.replicas.find((id) => ![lone, other, third, scene.spare].includes(id)),
    "the fourth member",
  )
  scene.world.partition([
    [standIn, lone],
    [other, third],
  ])
  const sequence = scene.ask(standIn, { ...plain("k0", "alone"), bucket: "far", sloppy: true }, { attempt: 3 })
  scene.run(SECOND)
  assert(scene.answer(sequence)?.ok === true, "a holder and a stand-in are enough")
  scene.world.partition([[standIn], [lone], [other, third]])
  forgetBy(scene, other, { ...plain("k0", ""), bucket: "far" })
  scene.world.partition([[standIn], [lone, other, third]])
  scene.run(10 * SECOND)
  const { values } = scene.success([third], { ...read("k0"), bucket: "far" } as Operation)
  assert(values.includes("alone"), `what was answered is lost: ${values.join()}`)
}
