import { describe, expect, it } from "vitest"
import { Random } from "@backplane/foundation-base/random"
import type { Effect, Machine } from "@backplane/foundation-actor/machine"
import { after, virtualTime } from "@backplane/foundation-actor/virtual-time"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { send, timer } from "@backplane/foundation-actor/effects"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { drawFaultPlan } from "./fault-plan.ts"
import { failingSeeds, runSeeds, runTwice } from "./replay.ts"
import { CLIENT, SERVER, ToyClient, ToyServer, type ToyBug } from "./testing/toy-pair.ts"
import { World } from "./world.ts"

const WANTED = 30
const SEEDS = 100

/** One seed: faults drawn from it for a while, the checkers after every step, then heal and demand progress. */
function toyScenario(bug: ToyBug): (seed: number) => World {
  return (seed) => {
    const until = virtualTime(100_000)
    const world = new World({
      seed,
      faults: drawFaultPlan(new Random(seed).fork("plan"), { until, latency: 100, spared: [CLIENT] }),
      stepsMax: 100_000,
    })
    world.add(CLIENT, () => new ToyClient(WANTED, bug))
    world.add(SERVER, () => new ToyServer(bug))
    world.addChecker("each increment once", () => {
      const client = world.inspect(CLIENT, ToyClient)
      const server = world.inspect(SERVER, ToyServer)
      if (client === null || server === null || world.stateOf(SERVER) !== "running") return
      if (server.total !== server.applied) throw new Error(`${server.applied} increments make ${server.total}`)
      if (client.done > server.total) throw new Error(`the client has ${client.done} answers, the server ${server.total} increments`)
    })
    world.run({ until })
    world.demandProgress({
      what: "all increments answered",
      within: 1_000_000,
      done: () => world.inspect(CLIENT, ToyClient)?.done === WANTED,
    })
    return world
  }
}

describe("a request with retry and duplicate suppression", () => {
  it("counts each increment once and ends under every seed of faults, and each seed has one run", () => {
    runSeeds(toyScenario("none"), { count: SEEDS })
  })

  it("is caught when repeats are applied again", () => {
    const failing = failingSeeds(toyScenario("no-suppression"), { count: SEEDS })
    expect(failing.size).toBeGreaterThan(SEEDS / 2)
    expect([...failing.values()].every((why) => /increments make/.test(why))).toBe(true)
  })

  it("is caught when it asks only once", () => {
    const failing = failingSeeds(toyScenario("no-retry"), { count: SEEDS })
    expect(failing.size).toBeGreaterThan(SEEDS / 4)
    expect([...failing.values()].every((why) => /no progress: all increments answered/.test(why))).toBe(true)
  })

  it("is caught when it answers before its disk has the increment", () => {
    const failing = failingSeeds(toyScenario("no-persist"), { count: SEEDS })
    expect(failing.size).toBeGreaterThan(0)
  })
})

it("whatever a scenario throws, the seed is named", () => {
  const failsAt3 = (seed: number): World => {
    const world = new World({ seed })
    if (seed === 3) throw new Error("expected 1, got 2")
    return world
  }
  expect(() => runSeeds(failsAt3, { count: 5 })).toThrow("seed 3: Error: expected 1, got 2")
})

describe("two runs of one seed", () => {
  const OTHER = actorId("other.0")

  function clockReader(read: () => number): (seed: number) => World {
    const machine: Machine = {
      start: (now: VirtualTime): readonly Effect<{ kind: string }>[] => [timer("tick", after(now, 10))],
      step: () => [send(OTHER, { kind: "Read", value: read() } as { kind: string })],
    }
    return (seed) => {
      const world = new World({ seed })
      world.add(actorId("reader.0"), () => machine)
      world.run()
      return world
    }
  }

  it("differ where a machine reads a wall clock, and the first differing line is shown", () => {
    expect(() =>
      runTwice(
        clockReader(() => Date.now()),
        7,
      ),
    ).toThrow(/two runs of one seed differ[^]*line 4 is "10 reader.0 > other.0 Read \{value: \d+\}"/)
    expect(() =>
      runTwice(
        clockReader(() => performance.now()),
        7,
      ),
    ).toThrow(/two runs of one seed differ/)
  })

  it("differ where a machine takes chance of its own", () => {
    expect(() =>
      runTwice(
        clockReader(() => Math.random()),
        7,
      ),
    ).toThrow(/two runs of one seed differ/)
  })

  it("agree where the value is the machine's own, and the wall clock is itself again", () => {
    const { now } = Date
    expect(
      runTwice(
        clockReader(() => 5),
        7,
      ).steps,
    ).toBe(1)
    expect(Date.now).toBe(now)
  })

  it("of different seeds differ under faults", () => {
    const scenario = toyScenario("none")
    expect(scenario(1).fingerprint).not.toBe(scenario(2).fingerprint)
  })
})
