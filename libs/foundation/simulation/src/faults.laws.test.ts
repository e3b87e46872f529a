import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Random } from "@backplane/foundation-base/random"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { send, timer } from "@backplane/foundation-actor/effects"
import { after, virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { checkFaultPlan, drawFaultPlan, type FaultPlan } from "./fault-plan.ts"
import { Network } from "./network.ts"
import { Probe, word } from "./testing/probe.ts"
import { World } from "./world.ts"

const A = actorId("node.0")
const B = actorId("node.1")
const C = actorId("node.2")
const UNTIL = virtualTime(50_000)

function arrivals(faults: FaultPlan | null, seed: number, count = 200): VirtualTime[][] {
  const network = new Network({ latency: 100, faults, random: new Random(seed) })
  return Array.from({ length: count }, (_, index) => [...network.route(virtualTime(index * 10), A, B)])
}

/** Three actors that chatter for a while under `faults`. */
function chatter(faults: FaultPlan, seed: number): World {
  const world = new World({ seed, faults, traceLinesMax: 100_000 })
  for (const id of [A, B, C]) {
    world.add(
      id,
      () =>
        new Probe({
          start: (now) => [timer("talk", after(now, 100))],
          step: (now, input) =>
            input.kind === "timer" && now < 2 * UNTIL
              ? [timer("talk", after(now, 100)), ...[A, B, C].map((to) => send(to, word("Hi")))]
              : [],
        }),
    )
  }
  world.run()
  return world
}

function worldLines(world: World, verb: string): number[] {
  return world
    .trace()
    .filter((line) => line.includes(` world ${verb}`))
    .map((line) => Number.parseInt(line))
}

describe("a link", () => {
  it("without faults takes the latency", () => {
    expect(arrivals(null, 1, 3)).toEqual([[100], [110], [120]])
  })

  it("keeps its order under loss, delay, copies and clogs as long as nothing may overtake", () => {
    const faults: FaultPlan = {
      until: UNTIL,
      loss: 0.2,
      duplication: 0.2,
      delay: { min: 50, max: 900 },
      clog: { chance: 0.05, lasting: { min: 100, max: 2000 } },
    }
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const all = arrivals(faults, seed).flat()
        expect(all).toEqual([...all].sort((a, b) => a - b))
      }),
      { numRuns: 50 },
    )
  })

  it("loses, doubles and overtakes about as often as the plan says", () => {
    const lossy = arrivals({ until: UNTIL, loss: 0.3, duplication: 0.2 }, 5, 5000)
    const lost = lossy.filter((copies) => copies.length === 0).length / 5000
    const doubled = lossy.filter((copies) => copies.length === 2).length / 5000
    expect(lost).toBeCloseTo(0.3, 1)
    expect(doubled).toBeCloseTo(0.7 * 0.2, 1)
    const disorderly = arrivals({ until: UNTIL, delay: { min: 50, max: 900 }, reordering: 1 }, 5).flat()
    expect(disorderly.some((at, index) => index > 0 && at < (disorderly[index - 1] ?? 0))).toBe(true)
  })
})

describe("a fault plan", () => {
  it("drawn from a seed is valid, and the same for the same seed", () => {
    const draw = (seed: number): FaultPlan => drawFaultPlan(new Random(seed), { until: UNTIL, latency: 100 })
    for (let seed = 0; seed < 200; seed++) {
      expect(() => checkFaultPlan(draw(seed))).not.toThrow()
      expect(draw(seed)).toEqual(draw(seed))
    }
    expect(new Set(Array.from({ length: 200 }, (_, seed) => Object.keys(draw(seed)).join(" "))).size).toBeGreaterThan(50)
  })

  it("that cannot be meant is refused by the name of the field", () => {
    expect(() => checkFaultPlan({ until: UNTIL, loss: 1.5 })).toThrow("loss is a chance between 0 and 1")
    expect(() => checkFaultPlan({ until: UNTIL, delay: { min: 0, max: 5 } })).toThrow("delay.min is a whole number of cycles")
    expect(() => checkFaultPlan({ until: UNTIL, crash: { every: { min: 5, max: 4 }, down: { min: 1, max: 1 } } })).toThrow(
      "crash.every.max",
    )
    expect(() => checkFaultPlan({ until: UNTIL, crash: { every: { min: 5, max: 6 }, down: { min: 1, max: 1 }, downMax: 0 } })).toThrow(
      "crash.downMax",
    )
  })

  it("happens: each kind of fault, and none after its end, when all are up and hear each other", () => {
    const every = { min: 1000, max: 3000 }
    const lasting = { min: 500, max: 3000 }
    const plan: FaultPlan = {
      until: UNTIL,
      loss: 0.05,
      partition: { every, lasting, oneWay: 0.3, partial: 0.3 },
      crash: { every, down: lasting, downMax: 2 },
      pause: { every, lasting },
    }
    const world = chatter(plan, 3)
    for (const fault of ["crash", "restart", "pause", "resume", "partition", "cut", "heal network"]) {
      const times = worldLines(world, fault)
      expect(times.length, fault).toBeGreaterThan(0)
      expect(
        times.every((at) => at <= UNTIL),
        fault,
      ).toBe(true)
    }
    expect([A, B, C].map((actor) => world.stateOf(actor))).toEqual(["running", "running", "running"])
    expect(
      world
        .trace()
        .filter((line) => line.includes(" lost #"))
        .every((line) => Number.parseInt(line) <= UNTIL),
    ).toBe(true)
    expect(world.counts.lostAtDown).toBeGreaterThan(0)
  })

  it("leaves alone whom it spares, and takes no more down at once than it may", () => {
    const crash = { every: { min: 100, max: 300 }, down: { min: 200, max: 4000 } }
    for (let seed = 0; seed < 10; seed++) {
      const world = chatter({ until: UNTIL, crash, spared: [A] }, seed)
      const lines = world.trace().filter((line) => / world (crash|restart|heal$)/.test(line))
      expect(lines.some((line) => line.includes("crash node.0"))).toBe(false)
      let down = 0
      for (const line of lines) {
        down += line.includes("crash") ? 1 : line.includes("restart") ? -1 : 0
        expect(down).toBeLessThanOrEqual(1)
      }
    }
  })
})
