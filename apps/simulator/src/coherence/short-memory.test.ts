/** Spaces with more pages than there are frames: swap, limits, refusals, balloons, equal pages; with and without faults, and over deaths of the controller and its page store. */
import { describe, expect, it } from "vitest"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { FaultPlan } from "@backplane/foundation-simulation/fault-plan"
import { PageStoreMachine } from "@backplane/memory-controller/page-store"
import type { SpaceRules } from "@backplane/memory-contract/memory-operator-messages"
import { MEMORY_CONTROLLER, pageStoreActor } from "@backplane/scenario-machine/topology"
import { SpaceWorld, type SpaceRun } from "./space-world.ts"

const RULES: SpaceRules = { placement: { kind: "first-touch" }, byToucher: [], migrate: false, replicate: false, hotMisses: 8 }
const FAULTS: FaultPlan = {
  until: virtualTime(Number.MAX_SAFE_INTEGER),
  loss: 0.02,
  duplication: 0.03,
  delay: { min: 5, max: 60 },
  reordering: 0.2,
}
const OWN: SpaceRun = { space: "own", program: "own", pages: 20, rounds: 6, harts: [0, 1], copiesMax: 2, rules: RULES }
const PAGES = 41

function results(harts: readonly { readonly state: string; readonly result: string }[]): readonly string[] {
  return harts.map(({ state, result }) => `${state} ${result}`)
}

describe.each([{ network: "whole" }, { network: "lossy", faults: FAULTS }])("more pages than frames, network $network", ({ faults }) => {
  const world = (more: { readonly framesPerNode: number; readonly swapPages: number }): SpaceWorld =>
    new SpaceWorld({ seed: 5, nodes: 2, ...more, ...(faults !== undefined && { world: { faults } }) })

  it("pages go to the page store and come back with what is in them; frames are conserved", () => {
    const spaces = world({ framesPerNode: 12, swapPages: 60 })
    spaces.open(OWN)
    expect(results(spaces.finish("own", 40_000_000))).toEqual(["done 0x6", "done 0x6"])
    const { nodes, spaces: [view] } = spaces.map("own") // prettier-ignore
    expect(view?.swapOuts).toBeGreaterThan(PAGES - 24)
    expect(view?.swapIns).toBeGreaterThan(40)
    const homes = view?.byHome.reduce((sum, frames) => sum + frames, 0) ?? 0
    expect(homes + (view?.stored.swapped ?? 0)).toBe(PAGES)
    for (const { frames, free, shared } of nodes) expect([frames, free >= 0]).toEqual([free + shared, true])
  })

  it("outlives the deaths of the memory controller and of the page store", () => {
    const spaces = world({ framesPerNode: 12, swapPages: 60 })
    let stored = 0
    spaces.world.onMessage(({ to, body }) => void (stored += body.kind === "PageFrame" && to === pageStoreActor() ? 1 : 0))
    spaces.open({ ...OWN, rounds: 40 })
    for (const [at, victim] of [MEMORY_CONTROLLER, pageStoreActor(), MEMORY_CONTROLLER, pageStoreActor()].entries()) {
      spaces.world.run({ until: virtualTime(spaces.world.now + 8_000 + 3_000 * at) })
      spaces.world.crash(victim)
      spaces.world.run({ until: virtualTime(spaces.world.now + 900) })
      spaces.world.restart(victim)
    }
    const before = stored
    expect(results(spaces.finish("own", 40_000_000))).toEqual(["done 0x28", "done 0x28"])
    expect(before).toBeGreaterThan(PAGES)
    expect(stored).toBeGreaterThan(before)
  })
})

describe("limits", () => {
  it("with the page store full, who needs a page is refused it with the remedy; all others go on", () => {
    const spaces = new SpaceWorld({ seed: 5, nodes: 2, framesPerNode: 6, swapPages: 16 })
    const reasons = new Set<string>()
    spaces.world.onMessage(({ body }) => {
      if (body.kind === "PageRefused") reasons.add(String((body as unknown as { readonly reason: string }).reason))
    })
    spaces.open(OWN)
    const harts = spaces.finish("own", 40_000_000)
    expect(harts.some(({ state }) => state === "lost")).toBe(true)
    expect([...reasons].join()).toContain(
      "the page store of 16 pages is full; give the machine more framesPerNode or swapPages, or stop a space",
    )
    expect(spaces.map("own").spaces[0]?.refused).toBeGreaterThan(0)
  })

  it("a space with a limit keeps to it and leaves the rest to others", () => {
    const spaces = new SpaceWorld({ seed: 5, nodes: 2, framesPerNode: 200, swapPages: 60 })
    spaces.open({ ...OWN, rules: { ...RULES, framesMax: 10 } })
    let most = 0
    spaces.world.onMessage(() => {
      most = Math.max(most, spaces.controller()?.directory().frames().of("own") ?? 0)
    })
    expect(results(spaces.finish("own", 40_000_000))).toEqual(["done 0x6", "done 0x6"])
    expect(most).toBe(10)
    expect(
      spaces
        .map()
        .nodes.map(({ free }) => free)
        .reduce((sum, free) => sum + free, 0),
    ).toBeGreaterThanOrEqual(390)
  })

  it("what the page store keeps of a space ends with it: a space of the same name begins anew", () => {
    const spaces = new SpaceWorld({ seed: 5, nodes: 2, framesPerNode: 12, swapPages: 60 })
    for (let time = 0; time < 2; time++) {
      spaces.open(OWN)
      expect(results(spaces.finish("own", 40_000_000))).toEqual(["done 0x6", "done 0x6"])
      spaces.close("own")
      expect(spaces.world.inspect(pageStoreActor(), PageStoreMachine)?.inspect()).toMatchObject({ pages: 0, slots: 0 })
      expect(spaces.map().nodes.map(({ free }) => free)).toEqual([12, 12])
    }
  })
})

describe("a guest with a balloon", () => {
  it("gives back what it is asked for, and the other space finds frames without any page being written out", () => {
    const spaces = new SpaceWorld({ seed: 5, nodes: 2, framesPerNode: 100, swapPages: 200 })
    spaces.open({ ...OWN, space: "large", program: "balloon", pages: 97, rounds: 200_000, harts: [0, 1] })
    spaces.world.run({ until: virtualTime(spaces.world.now + 400_000) })
    const asked = spaces.map("large").spaces[0]
    expect(asked?.stored.given).toBeGreaterThanOrEqual(7)
    expect(spaces.map().nodes.map(({ level }) => level)).toEqual(["high", "high"])
    spaces.open({ ...OWN, space: "small", pages: 6 })
    expect(results(spaces.finish("small", 40_000_000))).toEqual(["done 0x6", "done 0x6"])
    spaces.world.run({ until: virtualTime(spaces.world.now + 100_000) })
    const [large, small] = [spaces.map("large").spaces[0], spaces.map("small").spaces[0]]
    expect(large?.stored.given).toBeGreaterThan(asked?.stored.given ?? 0)
    expect([large?.stored.swapped, small?.stored.swapped]).toEqual([0, 0])
    // Given pages are zeros, which take no room.
    expect(spaces.world.inspect(pageStoreActor(), PageStoreMachine)?.inspect().slots).toBe(0)
  })
})

describe("equal pages", () => {
  it("of two spaces share a frame, are read from there, and part when one is written", () => {
    const spaces = new SpaceWorld({ seed: 5, nodes: 2, framesPerNode: 100, swapPages: 100 })
    const rules = { ...RULES, share: true }
    // Both spaces hold the same code and the same data.
    for (const space of ["first", "second"]) spaces.open({ ...OWN, space, pages: 8, rounds: 4, copiesMax: 0, rules })
    for (const space of ["first", "second"]) expect(results(spaces.finish(space, 40_000_000))).toEqual(["done 0x4", "done 0x4"])
    spaces.world.run({ until: virtualTime(spaces.world.now + 400_000) })
    const views = ["first", "second"].map((space) => spaces.map(space).spaces[0])
    for (const view of views) expect(view?.stored.shared).toBeGreaterThanOrEqual(16)
    const store = spaces.world.inspect(pageStoreActor(), PageStoreMachine)?.inspect()
    // The data pages all hold the one count, and the code is one page.
    expect(store?.slots).toBeLessThanOrEqual(2)
    expect(spaces.map().nodes.reduce((sum, { free }) => sum + free, 0)).toBeGreaterThanOrEqual(196)
    // A third space that begins from the same bytes changes nothing for them; a second run of the first does.
    spaces.close("first")
    spaces.open({ ...OWN, space: "first", pages: 8, rounds: 9, copiesMax: 0, rules })
    expect(results(spaces.finish("first", 40_000_000))).toEqual(["done 0x9", "done 0x9"])
    expect(spaces.harts("second").map(({ result }) => result)).toEqual(["0x4", "0x4"])
  })
})

describe("several memory controllers", () => {
  it("are home to a part of the pages and of the frames each; the death of one is no matter for the others' pages", () => {
    const spaces = new SpaceWorld({ seed: 5, nodes: 2, framesPerNode: 14, swapPages: 60, controllers: 2 })
    spaces.open({ ...OWN, rounds: 20 })
    spaces.world.run({ until: virtualTime(spaces.world.now + 8_000) })
    const other = actorId("memory.1")
    const before = spaces.map("own", 1)
    spaces.world.crash(other)
    spaces.world.run({ until: virtualTime(spaces.world.now + 2_000) })
    // The first one answers and knows only its own.
    const own = spaces.map("own", 0)
    expect(own.pages.every(({ page }) => page % 2 === 0)).toBe(true)
    spaces.world.restart(other)
    expect(results(spaces.finish("own", 40_000_000))).toEqual(["done 0x14", "done 0x14"])
    const after = spaces.map("own", 1)
    expect([after.incarnation, after.pages.map(({ page }) => page)]).toEqual([2, before.pages.map(({ page }) => page)])
    expect(after.pages.every(({ page }) => page % 2 === 1)).toBe(true)
    for (const { nodes } of [own, after]) expect(nodes.map(({ frames }) => frames)).toEqual([7, 7])
  })
})
