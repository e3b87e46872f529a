/** What seeds found of partitions that move, each as a scenario by name: it failed before it was mended. */
import { describe, expect, it } from "vitest"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Operation } from "@backplane/kv-contract/client-messages"
import { CONFIG_KEY, SYSTEM_BUCKET } from "@backplane/kv-contract/store-config"
import { partitionOf } from "@backplane/kv-replication/hash"
import { holdersIn, keepersIn } from "@backplane/kv-replication/placement"
import { crdtType } from "@backplane/kv-versioning/crdt/crdt-types"
import { liveValues } from "@backplane/kv-versioning/reconcile/reconciler"
import { DiskedReplica } from "./disked-replica.ts"
import { movedWithoutEntry } from "./directed-hunts.ts"
import { MS, Scene, SECOND } from "./scene.ts"

const put = (key: string, value: string): Operation => ({ type: "put", bucket: "plain", key, value })
const values = (scene: Scene, key: string): string[][] => scene.states("plain", key).map(({ versions }) => [...liveValues(versions)])

describe("a partition that moves", () => {
  const settled = (scene: Scene, key: string): void => {
    scene.success(scene.replicas.slice(0, 3), put(key, "kept"))
    scene.success(scene.replicas.slice(0, 3), { type: "delete", bucket: "plain", key: `${key}x` })
    scene.run(12 * SECOND)
  }

  // A joiner that took a certificate over before all was copied said of what it lacked that it is dead.
  it("loses nothing to a certificate that came before the keys", () => {
    const scene = new Scene()
    const everybody = scene.replicas
    const key = scene.keyThatMoves("plain", everybody, (next) => next.includes(scene.spare))
    settled(scene, key)
    expect(scene.view(scene.holders("plain", key)[0] as ActorId)?.table.certifiedAt(partitionOf("plain", key))).not.toBeNull()
    scene.change(everybody)
    // The joiner speaks and hears pages; of states nothing comes in time.
    for (let turn = 0; turn < 50; turn++) {
      scene.run(MS)
      if (turn % 2 === 0) scene.world.cut(everybody.slice(0, 3), [scene.spare])
      else scene.world.healNetwork()
      scene.ask(scene.replicas[turn % 3] as ActorId, { type: "get", bucket: "plain", key })
    }
    scene.world.healNetwork()
    scene.moved()
    scene.run(5 * SECOND)
    expect(values(scene, key)).toEqual([["kept"], ["kept"], ["kept"]])
  })

  // Found by seed 70733: the joiner took the set over again with each page, so that it was never on its slow disk, and nothing that is not may be told.
  it("ends, though the joiner alone has an addition to a set, and its disk is slower than a page comes", () => {
    const scene = new Scene({ syncCycles: 300 * MS })
    const everybody = scene.replicas
    const key = scene.keyCopiedFirst("set", everybody)
    const partition = partitionOf("set", key)
    const add = (element: string): Operation => ({ type: "update", bucket: "set", key, operation: { op: "add", element } })
    scene.success(scene.holders("set", key), add("first"))
    scene.run(5 * SECOND)
    const [source, coordinator, third] = scene.holders("set", key) as [ActorId, ActorId, ActorId]
    scene.world.partition([[source, third, coordinator], [scene.spare]])
    scene.change(everybody)
    scene.world.healNetwork()
    for (let turn = 0; turn < 1000 && scene.view(scene.spare)?.config.next[partition] === undefined; turn++) scene.run(MS)
    // The joiner hears of the addition before it hears of any page; the others never do.
    scene.world.partition([
      [source, third],
      [coordinator, scene.spare],
    ])
    const lost = scene.ask(coordinator, add("second"))
    scene.run(10 * MS)
    expect(scene.view(scene.spare)?.table.record({ bucket: "set", key })).toBeDefined()
    scene.crash(coordinator)
    scene.world.healNetwork()
    scene.world.restart(coordinator)
    expect(scene.answer(lost)).toBeUndefined()
    scene.moved()
    scene.run(5 * SECOND)
    const { value, empty } = crdtType("or-set")
    expect(scene.states("set", key).map(({ crdt }) => value(crdt ?? empty))).toEqual(Array<unknown>(3).fill(["first", "second"]))
  })

  // The move waited for registers that a majority of damaged holders could not commit; and a copy that had begun before, for ever.
  it("ends, though its holders can commit nothing to its registers: two lost what they knew, and one of these is down", () => {
    const scene = new Scene()
    const everybody = scene.replicas
    const key = scene.keyThatMoves("register", everybody, (next) => next.includes(scene.spare))
    const place = { bucket: "register", key }
    scene.success(scene.holders("register", key), { type: "cas", ...place, expect: null, value: "v" })
    scene.run(2 * SECOND)
    scene.change(everybody)
    const lost = scene.holders("register", key).slice(0, 2)
    for (const id of lost) scene.damage(id)
    scene.world.restart(lost[0] as ActorId)
    scene.run(5 * MS)
    expect(scene.view(lost[0] as ActorId)?.unsure.size).toBeGreaterThan(0)
    scene.moved(60)
    scene.world.restart(lost[1] as ActorId)
    expect(scene.success(scene.holders("register", key), { type: "get", ...place }).values).toEqual(["v"])
  })

  // Found by seed 500917: who took over in place of the one that had lost its data voted as one that has all, with another that never had any.
  it("keeps what was committed to its registers, though one alone has it that is never there for long", () => {
    for (const seed of [1, 2, 3]) movedWithoutEntry({}, seed)
    expect(() => movedWithoutEntry({ awaitsRegisters: false }, 1)).toThrow("a register lost what was written")
  })

  it("ends without a holder that never comes back, though another lost what it knew: who takes over learns before it votes", () => {
    const scene = new Scene({ members: 4 })
    const dead = scene.replicas.find((id) => id !== scene.spare && !scene.holders(SYSTEM_BUCKET, CONFIG_KEY).includes(id)) as ActorId
    const left = scene.replicas.filter((id) => id !== dead)
    const key = scene.keyThatMoves("register", left, (_, holders) => holders.includes(dead))
    const joiner = scene.nextHolders("register", key, left).find((id) => !scene.holders("register", key).includes(id)) as ActorId
    const damaged = scene.holders("register", key).find((id) => id !== dead) as ActorId
    const partition = partitionOf("register", key)
    const isDamaged = (id: ActorId): boolean | undefined => scene.view(id)?.linear.isDamaged(partition)
    scene.damage(damaged)
    scene.world.restart(damaged)
    scene.run(20 * SECOND)
    expect(scene.view(damaged)?.unsure.size).toBe(0)
    // Nobody ever wrote to the register, so nothing tells it that it lost nothing there.
    expect(isDamaged(damaged)).toBe(true)
    scene.crash(dead)
    scene.change(left)
    scene.run(15 * SECOND)
    expect(Object.keys(scene.config.next)).toContain(String(partition))
    const inspect = scene.world.inspect(joiner, DiskedReplica)?.inner.inspect() as { readonly awaitsRegisters: number } | undefined
    expect(inspect?.awaitsRegisters).toBeGreaterThan(0)
    let learned = false
    scene.world.addChecker("learns first", () => void (learned ||= isDamaged(joiner) === true))
    scene.moved(60)
    expect(scene.holders("register", key)).toContain(joiner)
    expect(learned).toBe(true)
    const { swapped } = scene.success(scene.holders("register", key), { type: "cas", bucket: "register", key, expect: null, value: "v" })
    expect(swapped).toBe(true)
    scene.run(5 * SECOND)
    expect([damaged, joiner].map(isDamaged)).toEqual([false, false])
  })

  // Found by seed 113.
  it("answers for its registers, though one leads them that holds it only in the next set", () => {
    // Nobody pushes the move on.
    const scene = new Scene({ timings: { move: 3600 * SECOND } })
    const everybody = scene.replicas
    const key = scene.keyThatMoves("register", everybody, (next) => next.includes(scene.spare))
    const place = { bucket: "register", key }
    const partition = partitionOf("register", key)
    scene.success(scene.holders("register", key), { type: "cas", ...place, expect: null, value: "0" })
    scene.change(everybody)
    scene.run(2 * SECOND)
    expect(holdersIn(scene.config, partition)).not.toContain(scene.spare)
    expect(keepersIn(scene.config, partition)).toContain(scene.spare)
    const leads = (id: ActorId): boolean => scene.view(id)?.linear.group(partition)?.role === "leader"
    for (let turn = 0; turn < 40 && !leads(scene.spare); turn++) {
      const leader = everybody.find(leads)
      if (leader !== undefined) scene.world.pause(leader)
      scene.run(900 * MS)
      if (leader !== undefined) scene.world.resume(leader)
      // It hears that another leads by now.
      scene.run(20 * MS)
    }
    expect(leads(scene.spare)).toBe(true)
    for (const [turn, id] of everybody.entries())
      expect(scene.success([id], { type: "cas", ...place, expect: String(turn), value: String(turn + 1) }).swapped).toBe(true)
  })
})
