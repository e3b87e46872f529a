/** The controller carries placement out: misses that were remote become local, by rules of the space, under faults too. */
import { describe, expect, it } from "vitest"
import type { Body } from "@backplane/foundation-actor/machine"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { FaultPlan } from "@backplane/foundation-simulation/fault-plan"
import { SpanRecorder } from "@backplane/foundation-simulation/span-recorder"
import type { SpaceRules, SpaceView } from "@backplane/memory-contract/memory-operator-messages"
import { HYPERVISOR, MEMORY_CONTROLLER } from "@backplane/scenario-machine/topology"
import { SpaceWorld, type SpaceRun } from "./space-world.ts"

const RULES: SpaceRules = { placement: { kind: "local", node: 0 }, byToucher: [], migrate: false, replicate: false, hotMisses: 8 }
const FAULTS: FaultPlan = {
  until: virtualTime(Number.MAX_SAFE_INTEGER),
  loss: 0.02,
  duplication: 0.03,
  delay: { min: 5, max: 60 },
  reordering: 0.2,
}
const OWN: SpaceRun = { space: "own", program: "own", pages: 8, rounds: 150, harts: [0, 1], copiesMax: 4 }
const READ: SpaceRun = { space: "text", program: "read", pages: 8, rounds: 150, harts: [0, 1, 2], copiesMax: 4 }

interface Outcome {
  readonly view: SpaceView
  readonly cycles: number
  readonly results: readonly string[]
}

function run(space: SpaceRun, rules: SpaceRules, faults?: FaultPlan): Outcome {
  const spaces = new SpaceWorld({ seed: 3, nodes: 3, ...(faults !== undefined && { world: { faults } }) })
  spaces.open({ ...space, rules })
  const harts = spaces.finish(space.space, 400_000_000)
  expect(harts.every(({ state }) => state === "done")).toBe(true)
  const view = spaces.map(space.space).spaces[0]
  if (view === undefined) throw new Error("the space is known")
  return { view, cycles: spaces.world.now, results: harts.map(({ result }) => result) }
}

describe.each([{ network: "whole" }, { network: "lossy", faults: FAULTS }])(
  "placement by the controller, network $network",
  ({ faults }) => {
    it("a page hot on one node migrates there; what it holds is the same", () => {
      const still = run(OWN, RULES, faults)
      const moved = run(OWN, { ...RULES, migrate: true }, faults)
      expect(still.view.byHome).toEqual([17, 0, 0])
      expect(still.view.remoteMisses).toBeGreaterThan(1_000)
      expect(moved.view.migrations).toBeGreaterThanOrEqual(8)
      expect(moved.view.byHome[1]).toBeGreaterThanOrEqual(8)
      expect(moved.view.reads[1]).toBeLessThan((still.view.reads[1] ?? 0) / 4)
      expect(moved.cycles).toBeLessThan(still.cycles)
      expect([still.results, moved.results]).toEqual([
        ["0x96", "0x96"],
        ["0x96", "0x96"],
      ])
    })

    it("read-mostly pages are copied to the nodes that read them", () => {
      const still = run(READ, RULES, faults)
      const copied = run(READ, { ...RULES, replicate: true }, faults)
      expect(copied.view.replications).toBeGreaterThanOrEqual(8)
      expect(copied.view.remoteMisses).toBeLessThan(still.view.remoteMisses / 4)
      expect(copied.view.byHome).toEqual([9, 0, 0])
    })

    it("a counter that all nodes write stays where it is, and those nodes are named as belonging together", () => {
      const spaces = new SpaceWorld({ seed: 3, nodes: 3, ...(faults !== undefined && { world: { faults } }) })
      const rules = { ...RULES, migrate: true, replicate: true }
      const hints: unknown[] = []
      spaces.world.onMessage(({ to, body }) => void (to === HYPERVISOR && hints.push(body)))
      spaces.open({ space: "counter", program: "count", pages: 1, rounds: 30_000, harts: [0, 1, 2], copiesMax: 0, rules })
      spaces.world.run({ until: virtualTime(45_000) })
      expect(spaces.map("counter").spaces[0]?.together).toEqual([{ page: 1, nodes: [0, 1, 2] }])
      expect(hints.at(-1)).toEqual({ kind: "SpaceShared", space: "counter", nodes: [0, 1, 2] })
      const harts = spaces.finish("counter", 400_000_000)
      expect(spaces.map("counter").spaces[0]?.byHome).toEqual([2, 0, 0])
      expect(Math.max(...harts.map(({ result }) => Number(result)))).toBe(90_000)
    })
  },
)

describe("where new pages are placed", () => {
  const homes = (
    rules: Partial<SpaceRules>,
    framesPerNode = 100,
  ): { readonly byHome: readonly number[]; readonly states: readonly string[] } => {
    const spaces = new SpaceWorld({ seed: 1, nodes: 3, framesPerNode })
    spaces.open({ ...OWN, rounds: 2, copiesMax: 0, harts: [1, 2], rules: { ...RULES, ...rules } })
    const states = spaces.finish("own", 10_000_000).map(({ state }) => state)
    return { byHome: spaces.map("own").spaces[0]?.byHome ?? [], states }
  }

  it.each([
    { rules: { placement: { kind: "local", node: 2 } }, byHome: [0, 0, 17] },
    { rules: { placement: { kind: "interleave" } }, byHome: [6, 6, 5] },
    { rules: { placement: { kind: "bind", nodes: [0, 2] } }, byHome: [9, 0, 8] },
    // What the vCPU on node 2 touches first lies on node 0, all else where it is touched.
    { rules: { placement: { kind: "first-touch" }, byToucher: [{ node: 2, placement: { kind: "local", node: 0 } }] }, least: [8, 8, 0] },
  ] as const)("$rules.placement.kind", ({ rules, ...wanted }) => {
    const { byHome, states } = homes(rules as Partial<SpaceRules>)
    expect(states).toEqual(["done", "done"])
    if ("byHome" in wanted) expect(byHome).toEqual(wanted.byHome)
    else wanted.least.forEach((least, node) => expect(byHome[node]).toBeGreaterThanOrEqual(least))
  })

  it("a hart that needs a page when memory is out is refused it with the remedy, the other goes on", () => {
    const spaces = new SpaceWorld({ seed: 1, nodes: 3, framesPerNode: 6 })
    spaces.open({ ...OWN, rounds: 2, copiesMax: 0, harts: [1, 2], rules: RULES })
    expect(spaces.finish("own", 10_000_000).some(({ state }) => state === "lost")).toBe(true)
    const { nodes, spaces: [view] } = spaces.map("own") // prettier-ignore
    expect(view?.refused).toBeGreaterThan(0)
    expect(nodes[0]).toMatchObject({ frames: 6, free: 0, shared: 6 })
  })
})

describe("an operator", () => {
  it("moves a page: one trace shows the controller, the holder's shootdown and both frames", () => {
    const spans = new SpanRecorder()
    const spaces = new SpaceWorld({ seed: 1, nodes: 3, world: { spans } })
    spaces.open({ ...OWN, rounds: 2, copiesMax: 0, rules: RULES })
    spaces.finish("own", 10_000_000)
    const move = { kind: "MemoryMoveAsk", space: "own", page: 9, to: 2 } as Body
    expect(spaces.ask(MEMORY_CONTROLLER, move)).toMatchObject({ answer: "done", pages: [{ page: 9, home: 2, state: "U" }] })
    const root = spans.spans.find(({ name }) => name === "mem.migrate")
    const names = spans.spans.filter(({ traceId }) => traceId === root?.traceId).map(({ name, actor }) => `${name} ${actor}`)
    expect(names).toEqual(expect.arrayContaining(["mem.migrate memory.0", "mem.shootdown node.1", "mem.frame node.0", "mem.frame node.2"]))
  })

  it("is refused with the reason, and sees rules again after the controller was killed", () => {
    const spaces = new SpaceWorld({ seed: 1, nodes: 3 })
    spaces.open({ ...OWN, rounds: 2, copiesMax: 0, rules: { ...RULES, migrate: true } })
    spaces.finish("own", 10_000_000)
    const refused = (body: object): string => spaces.ask(MEMORY_CONTROLLER, { space: "own", page: 1, ...body } as unknown as Body).reason
    expect(refused({ kind: "MemoryMoveAsk", page: 99, to: 1 })).toBe("nobody has touched page 99 of own")
    expect(refused({ kind: "MemoryReplicateAsk", on: [7] })).toBe("there is no live node 7")
    expect(refused({ kind: "MemoryMapAsk", space: "none", page: undefined })).toContain("there is no space none")
    const before = spaces.map("own").spaces[0]
    spaces.world.crash(MEMORY_CONTROLLER)
    spaces.world.restart(MEMORY_CONTROLLER)
    spaces.world.run({ until: virtualTime(spaces.world.now + 3_000_000) })
    const after = spaces.map("own")
    expect(after.incarnation).toBe(2)
    expect(after.spaces[0]).toMatchObject({ rules: before?.rules, byHome: before?.byHome, pages: before?.pages })
  })
})
