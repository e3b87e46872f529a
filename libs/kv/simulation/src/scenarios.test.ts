/** What seeds found, each as a scenario by name: it failed before it was mended. */
import { describe, expect, it } from "vitest"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Operation } from "@backplane/kv-contract/client-messages"
import { partitionOf } from "@backplane/kv-replication/hash"
import { SOUND_RULES, type ReplicaRules } from "@backplane/kv-replica/rules"
import { crdtType } from "@backplane/kv-versioning/crdt/crdt-types"
import { loneDots } from "@backplane/kv-versioning/doubt"
import { liveValues } from "@backplane/kv-versioning/reconcile/reconciler"
import { standsStill } from "./directed-hunts.ts"
import { runKvWorld } from "./kv-world.ts"
import { linkTo } from "./link-faults.ts"
import {
  collectedVersion,
  cutOffVersion,
  cutOffWhileMoved,
  heldVersion,
  loneCount,
  loneVersion,
  powerAfterCollection,
  refusedWrite,
  standInVersion,
  weakVersion,
} from "./lone-hunts.ts"
import { repeatedAfterCollection, repeatedAfterJump } from "./repeat-hunts.ts"
import { MS, Scene, SECOND } from "./scene.ts"

/** Clients that hardly wait, half a minute. */
const IMPATIENT = {
  classes: new Set(["partition"] as const),
  buckets: ["plain"],
  pauseMax: 200_000,
  cycles: 30_000_000,
  fingerprint: "off",
} as const

const increment = (key: string, by = 1): Operation => ({ type: "update", bucket: "count", key, operation: { op: "increment", by } })
const put = (key: string, value: string, context: { readonly [writer: string]: number } = {}): Operation => ({
  type: "put",
  bucket: "plain",
  key,
  value,
  context,
})
const counts = (scene: Scene, key: string): unknown[] => {
  const { value, empty } = crdtType("pn-counter")
  return scene.states("count", key).map(({ crdt }) => value(crdt ?? empty))
}
const values = (scene: Scene, key: string): string[][] => scene.states("plain", key).map(({ versions }) => [...liveValues(versions)])

describe("a request that is sent again", () => {
  // Found by seed 119.
  it("counts once, though it went by a replica without a copy and its partition has moved since", () => {
    for (const rules of [{}, { remembersDone: false }]) {
      const scene = new Scene({ rules })
      const everybody = scene.replicas
      const key = scene.keyThatMoves("count", everybody, (next) => next.includes(scene.spare))
      // The holder that coordinates it cannot tell the client.
      scene.isDeaf = true
      const sequence = scene.ask(scene.spare, increment(key))
      scene.run(SECOND)
      expect(scene.answer(sequence)).toBeUndefined()
      scene.isDeaf = false
      scene.change(everybody)
      scene.moved()
      for (const [index, holder] of scene.holders("count", key).entries())
        scene.ask(holder, increment(key), { sequence, attempt: index + 1 })
      scene.run(10 * SECOND)
      expect(scene.answer(sequence)).toMatchObject({ ok: true })
      const once = counts(scene, key).every((count) => count === 1)
      expect(once, "without memory of requests the scenario must fail").toBe(!("remembersDone" in rules))
    }
  })

  it("counts once, though two coordinators that could not hear of each other each counted it", () => {
    const scene = new Scene()
    const [first, second, third] = scene.holders("count", "k") as [ActorId, ActorId, ActorId]
    scene.world.partition([[first], [second, third]])
    const sequence = scene.ask(first, increment("k", 5))
    scene.run(100 * MS)
    scene.ask(second, increment("k", 5), { sequence, attempt: 1 })
    scene.run(SECOND)
    expect(scene.answer(sequence)).toMatchObject({ ok: true, result: 5 })
    scene.world.healNetwork()
    scene.run(10 * SECOND)
    expect(counts(scene, "k")).toEqual([5, 5, 5])
    expect(scene.success([third], increment("k", 2)).result).toBe(7)
  })

  it("counts once in a counter inside a map too, however deep", () => {
    for (const deep of [false, true]) {
      const scene = new Scene()
      const change = { op: "update", name: "n", type: "counter", operation: { op: "increment", by: 5 } }
      const operation = deep ? { op: "update", name: "m", type: "or-map", operation: change } : change
      const add: Operation = { type: "update", bucket: "map", key: "k", operation }
      const [first, second, third] = scene.holders("map", "k") as [ActorId, ActorId, ActorId]
      scene.world.partition([[first], [second, third]])
      const sequence = scene.ask(first, add)
      scene.run(100 * MS)
      scene.ask(second, add, { sequence, attempt: 1 })
      scene.run(SECOND)
      expect(scene.answer(sequence)).toMatchObject({ ok: true })
      scene.world.healNetwork()
      scene.run(10 * SECOND)
      const [five, ten] = [5, 10].map((count) => (deep ? { "m:or-map": { "n:counter": count } } : { "n:counter": count }))
      expect(scene.success([third], { type: "get", bucket: "map", key: "k" }).result).toEqual(five)
      expect(scene.success([first], add).result).toEqual(ten)
    }
  })

  it("is replaced as one, though a coordinator that died had made a version of it that nobody saw", () => {
    const scene = new Scene()
    const [first, second, third] = scene.holders("plain", "k") as [ActorId, ActorId, ActorId]
    scene.world.partition([[first], [second, third]])
    const sequence = scene.ask(first, put("k", "a"))
    scene.run(100 * MS)
    scene.world.crash(first)
    scene.ask(second, put("k", "a"), { sequence, attempt: 1 })
    scene.run(SECOND)
    const answer = scene.answer(sequence)
    expect(answer).toMatchObject({ ok: true, values: ["a"] })
    scene.world.healNetwork()
    const replaced = scene.success([third], put("k", "b", answer?.ok === true ? answer.context : {}))
    expect(replaced.values).toEqual(["b"])
    scene.world.restart(first)
    scene.run(10 * SECOND)
    expect(values(scene, "k")).toEqual([["b"], ["b"], ["b"]])
  })

  // Found by a live run on a machine that was starved for seconds: what had been replaced came back.
  it("is not done by a replica that stood still, when others have written more since than a key remembers", () => {
    standsStill({}, 1)
    expect(() => standsStill({ doesLateRequests: true }, 1)).toThrow("what was replaced came back")
  })

  // Found by seed 600151.
  it("is not done again where the key was deleted and let go since it was sent first", () => {
    repeatedAfterCollection({}, 1)
    expect(() => repeatedAfterCollection({ mindsCollected: false }, 1)).toThrow("what was deleted came back")
  })

  it("is not done again behind many others, though the clocks on the wall have jumped since", () => {
    repeatedAfterJump({}, 1)
    expect(() => repeatedAfterJump({ knowsTimes: false }, 1)).toThrow("what was replaced came back")
  })

  // Found by a live run on a machine that was starved for seconds: what had been replaced came back.
  it("is withdrawn where its coordinator alone has it and comes back when others have forgotten it", () => {
    for (const seed of [1, 2, 3]) loneVersion({}, seed)
    expect(() => loneVersion({ withdrawsLone: false, doubtsNews: false }, 1)).toThrow("a replaced value came back: twice")
  })

  it("counts once where its coordinator alone counted it and comes back when others have forgotten it", () => {
    loneCount({}, 1)
    expect(() => loneCount({ withdrawsLone: false }, 1)).toThrow("18 increments, each once, count 19")
  })

  // Narrowed draws: bucket plain, class partition, clients that wait 200 ms, seed 4.
  it("is refused where its coordinator alone has it and was cut off until others have forgotten it", () => {
    for (const seed of [1, 2, 3]) cutOffVersion({}, seed)
    expect(() => cutOffVersion({ doubtsNews: false }, 1)).toThrow("a replaced value came back: twice")
  })

  // Found by seed 74233: it was not asked about while its partition was moved.
  it("is refused likewise where its partition is moved meanwhile", () => {
    for (const seed of [1, 2, 3]) cutOffWhileMoved({}, seed)
    expect(() => cutOffWhileMoved({ doubtsNews: false }, 1)).toThrow("a replaced value came back: twice")
  })

  // Seeds 909, 978, 1438, 1444 and 1903 of loss, delay, pause, power, flip, slow and backup on bucket plain.
  it("is refused where one came back with it on an old disk, and others have forgotten it", () => {
    for (const seed of [1, 2, 3]) heldVersion({}, seed)
    expect(() => heldVersion({ doubtsNews: false }, 1)).toThrow("a replaced value came back: twice")
  })

  // Seed 640 of the same.
  it("is refused where one came back with it on an old disk, and it was deleted and collected", () => {
    for (const seed of [1, 2, 3]) collectedVersion({}, seed)
    expect(() => collectedVersion({ doubtsNews: false }, 1)).toThrow("a deleted value came back: twice")
  })

  // Seed 70487: who has lost the end of its log still knows what it had certified.
  it("does not come back with an old disk when it was deleted, though the others lost the ends of their logs", () => {
    for (const seed of [1, 2, 3]) powerAfterCollection({}, seed)
  })

  // With a rule that took half of what is remembered for all of it, acknowledged writes were refused: clients that wait at most 200 ms, half a minute.
  it("stays while the others remember enough to tell that its request was not done", () => {
    for (const seed of [1, 10, 16, 27, 36]) runKvWorld(seed, IMPATIENT)
  })

  // Found by reading: the acknowledgement of who refused it counted.
  it("is not answered as done where it is refused, and is done for who repeats it", () => {
    for (const seed of [1, 2, 3]) refusedWrite({}, seed)
    expect(() => refusedWrite({ mindsRefusals: false }, 1)).toThrow("an acknowledged write is lost")
  })

  // Of clients that repeat for seconds what many others replace.
  it("is not made again for a repeat that may have been done and forgotten", () => {
    for (const seed of [60, 62, 69]) runKvWorld(seed, IMPATIENT)
    expect(() => runKvWorld(60, { ...IMPATIENT, rules: { ...SOUND_RULES, refusesForgotten: false } })).toThrow("reads it again")
  })

  it("stays where one replica alone had to promise it, whatever others forgot", () => {
    for (const seed of [1, 2, 3]) weakVersion({}, seed)
  })

  // Seed 330, with the rule that refuses such versions and without this exception.
  it("stays where one replica and a stand-in had to promise it", () => {
    const forgetsWeak: ReplicaRules["loneDots"] = (witnesses, dots) =>
      loneDots(
        witnesses.map((each) => ({ ...each, weak: false })),
        dots,
      )
    for (const seed of [1, 2, 3]) standInVersion({}, seed)
    expect(() => standInVersion({ loneDots: forgetsWeak }, 1)).toThrow("what was answered is lost")
  })

  // Found by seed 35 of this session's runs.
  it("is replaced as one by who saw only one of its versions, and shown once until then", () => {
    const scene = new Scene()
    const [first, second, third] = scene.holders("plain", "k") as [ActorId, ActorId, ActorId]
    scene.world.partition([[first], [second, third]])
    const sequence = scene.ask(first, put("k", "a"))
    scene.run(100 * MS)
    scene.ask(second, put("k", "a"), { sequence, attempt: 1 })
    scene.run(SECOND)
    const answer = scene.answer(sequence)
    scene.world.healNetwork()
    scene.run(10 * SECOND)
    expect(scene.states("plain", "k").map(({ versions }) => versions.length)).toEqual([2, 2, 2])
    expect(scene.success([third], { type: "get", bucket: "plain", key: "k" }).values).toEqual(["a"])
    scene.success([first], put("k", "b", answer?.ok === true ? answer.context : {}))
    scene.run(5 * SECOND)
    expect(values(scene, "k")).toEqual([["b"], ["b"], ["b"]])
  })
})

describe("a register whose leader is killed", () => {
  // Live, the slowest of all operations: each waited for a silence, or was passed on to the dead.
  it("is answered as soon as the links have broken: nobody waits for silence, and nothing that was on its way is missed", () => {
    // A silence would last longer than the whole scenario.
    const timings = { election: 20 * SECOND, heartbeat: SECOND, handoff: SECOND }
    for (const told of [true, false]) {
      const scene = new Scene({ timings })
      const place = { bucket: "register", key: "r" }
      const members = scene.replicas.slice(0, 3)
      scene.success(members, { type: "cas", ...place, expect: null, value: "0" })
      const leader = scene.leader("register", "r") as ActorId
      const left = members.filter((id) => id !== leader)
      scene.crash(leader)
      // One passes it on to the dead, before it hears; the other is asked when it has heard.
      const early = scene.ask(left[0] as ActorId, { type: "cas", ...place, expect: "0", value: "1" })
      scene.run(5 * MS)
      if (told) for (const id of left) scene.world.inject({ from: linkTo(leader), to: id, body: { kind: "KvGone" } })
      scene.run(50 * MS)
      const late = scene.ask(left[1] as ActorId, { type: "cas", ...place, expect: "1", value: "2" })
      scene.run(100 * MS)
      expect(scene.answer(early)?.ok === true, "the one that was on its way").toBe(told)
      expect(scene.answer(late)?.ok === true, "one that came later").toBe(told)
    }
  })
})

describe("a register whose leader is killed, as only one of the others is told", () => {
  it("is answered by the other too, once it hears of the next leader: what it passed on to the dead is passed on again", () => {
    for (let key = 0; key < 6; key++) {
      const scene = new Scene({ timings: { election: 2 * SECOND, heartbeat: 200 * MS } })
      const place = { bucket: "register", key: `r${key}` }
      const members = scene.replicas.slice(0, 3)
      scene.success(members, { type: "cas", ...place, expect: null, value: "0" })
      const leader = scene.leader("register", place.key) as ActorId
      const [told, untold] = members.filter((id) => id !== leader) as [ActorId, ActorId]
      scene.crash(leader)
      scene.world.inject({ from: linkTo(leader), to: told, body: { kind: "KvGone" } })
      const asked = scene.ask(untold, { type: "cas", ...place, expect: "0", value: "1" })
      scene.run(1500 * MS)
      expect(scene.answer(asked)).toMatchObject({ ok: true, swapped: true })
    }
  })
})

describe("a store in three zones", () => {
  it("goes on without one of them, for keys, counters and registers, and is whole again when it comes back", () => {
    const scene = new Scene({ members: 6 })
    const members = scene.replicas.slice(0, 6)
    const register = { bucket: "register", key: "r" }
    scene.success(members, put("k", "before"))
    scene.success(members, { type: "cas", ...register, expect: null, value: "0" })
    scene.run(SECOND)
    // One in three: all that lie in the zone of the register's leader.
    const zone = members.indexOf(scene.leader("register", "r") as ActorId) % 3
    const [gone, left] = [members.filter((_, index) => index % 3 === zone), members.filter((_, index) => index % 3 !== zone)]
    for (const id of gone) scene.crash(id)
    for (let index = 0; index < 12; index++) scene.success(left, put(`w${index}`, "while"))
    expect(scene.success(left, { type: "get", bucket: "plain", key: "k" }).values).toEqual(["before"])
    expect(scene.success(left, increment("c", 3)).result).toBe(3)
    expect(scene.success(left, { type: "cas", ...register, expect: "0", value: "1" }).swapped).toBe(true)
    for (const id of gone) scene.world.restart(id)
    scene.run(15 * SECOND)
    for (let index = 0; index < 12; index++) expect(values(scene, `w${index}`)).toEqual([["while"], ["while"], ["while"]])
    expect(counts(scene, "c")).toEqual([3, 3, 3])
    expect(scene.success(gone, { type: "get", ...register }).values).toEqual(["1"])
  })
})

// Found by reading: the configuration lies on the same disk, and who does not know that it holds a partition does not know that it lost it.
describe("a shard that joined, and whose disk lost the configuration too", () => {
  it("is unsure of what it held as soon as it hears that it held that, also when it begins once more, until it is repaired", () => {
    const scene = new Scene({ timings: { syncRound: 3 * SECOND } })
    const everybody = scene.replicas
    const key = scene.keyThatMoves("plain", everybody, (next) => next.includes(scene.spare))
    const partition = partitionOf("plain", key)
    scene.success(scene.holders("plain", key), put(key, "v"))
    scene.change(everybody)
    scene.moved()
    expect(scene.holders("plain", key)).toContain(scene.spare)
    const isTold = (): boolean => scene.view(scene.spare)?.config.epoch === scene.config.epoch
    scene.damage(scene.spare)
    scene.world.restart(scene.spare)
    for (let turn = 0; turn < 10_000 && !isTold(); turn++) scene.run(MS)
    expect(scene.view(scene.spare)?.table.record({ bucket: "plain", key })).toBeUndefined()
    expect(scene.view(scene.spare)?.unsure.has(partition)).toBe(true)
    scene.run(20 * MS)
    scene.crash(scene.spare)
    scene.world.restart(scene.spare)
    expect(isTold()).toBe(true)
    expect(scene.view(scene.spare)?.unsure.has(partition)).toBe(true)
    scene.run(20 * SECOND)
    expect(scene.view(scene.spare)?.unsure.size).toBe(0)
    expect(values(scene, key)).toEqual([["v"], ["v"], ["v"]])
  })
})

describe("a rolling upgrade", () => {
  const add: Operation = {
    type: "update",
    bucket: "map",
    key: "k",
    operation: { op: "update", name: "n", type: "counter", operation: { op: "increment" } },
  }

  it("one after another: writes go on, what is kept stays of the old form until all are new, and then is of the new one", () => {
    const scene = new Scene({ versions: [1, 1, 1, 1] })
    const members = scene.replicas.slice(0, 3)
    const forms: (number | undefined)[] = []
    for (const id of members) {
      scene.success(members, add)
      scene.crash(id)
      scene.versions.set(id, 2)
      scene.success(
        members.filter((other) => other !== id),
        add,
      )
      scene.world.restart(id)
      forms.push(scene.config.version)
      expect(scene.states("map", "k").map(({ counted }) => counted)).toEqual([undefined, undefined, undefined])
      scene.run(5 * SECOND)
    }
    expect(forms).toEqual([undefined, undefined, undefined])
    expect(scene.config.version).toBe(2)
    expect(scene.success(members, add).result).toEqual({ "n:counter": 7 })
    scene.run(SECOND)
    for (const { counted } of scene.states("map", "k")) expect(counted?.length).toBe(1)
  })

  it("one that stays old goes on with the others, and a store that was raised takes none in", () => {
    const scene = new Scene({ versions: [2, 2, 1, 1] })
    const members = scene.replicas.slice(0, 3)
    scene.run(5 * SECOND)
    expect(scene.config.version).toBeUndefined()
    for (const id of members) scene.success([id], add)
    const raised = new Scene({ versions: [2, 2, 2, 1] })
    raised.run(5 * SECOND)
    expect(raised.config.version).toBe(2)
    raised.change(raised.replicas)
    raised.run(10 * SECOND)
    expect(raised.view(raised.spare)?.config.version).toBeUndefined()
    expect(raised.success(members, add).result).toEqual({ "n:counter": 1 })
  })
})
