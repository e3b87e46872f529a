/** The storm in short, the kill of every scheduler in every step of a swap, and the storm's ledger on what it must see. */
import { actorKind } from "@backplane/foundation-actor/actor-id"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { TickClock } from "@backplane/scenario-machine/tick-clock"
import { hostedActors } from "@backplane/scenario-machine/topology"
import { describe, expect, it } from "vitest"
import { machineWorld, outcomeOf } from "./simulate.ts"
import { addMachineCheckers } from "./soak/machine-checkers.ts"
import { isSound } from "./storm-command.ts"
import { stormLedger } from "./storm-ledger.ts"
import { LATENCY_CYCLES, STEP_CYCLES, storm, SWAP_STEPS } from "./storm.ts"

describe("a storm of swaps", () => {
  it("loses nothing, runs nothing twice or outside its mask, and CPUs wait a slice at most at p99", () => {
    const report = storm({ seed: 3, swaps: 120, everySlices: 8, killEvery: 3 })
    expect(report).toMatchObject({ lost: 0, restarts: 0, ticksTwice: 0, ticksOutside: 0, ticksWrong: 0, kills: 40 })
    expect(report.gapMostSlices).toBeGreaterThan(0)
    expect(isSound(report)).toBe(true)
  })
})

const SWAP_TICK = 23
const machine = resolveMachineSpec({
  name: "killed",
  topology: { nodes: 2, cpus: 4 },
  cache: { warmRate: 1 },
  schedule: { policy: "mqms-warm", sliceTicks: 5 },
  clock: { mode: "free", tickCycles: 4 * LATENCY_CYCLES, latencyCycles: LATENCY_CYCLES },
  jobs: Array.from({ length: 9 }, (_, index) => ({
    name: `t${index}`,
    run: 60,
    workingSet: 0,
    affinity: index % 4 === 3 ? [index % 3] : [],
  })),
  actions: [{ atTick: SWAP_TICK, swap: "bfs" }],
})

it("whichever scheduler dies for good, in whatever step of a swap: the machine goes on, and all work is done once", () => {
  const start = new TickClock(machine.clock).start(SWAP_TICK)
  for (const victim of hostedActors(machine).filter((id) => actorKind(id) === "scheduler"))
    for (let step = 0; step < SWAP_STEPS; step++) {
      const world = machineWorld(machine, { fingerprint: "off" })
      addMachineCheckers(world, machine)
      world.run({ until: virtualTime(start + step * STEP_CYCLES) })
      world.crash(victim)
      world.run({ stop: () => outcomeOf(world) !== null })
      const outcome = outcomeOf(world)
      const result = outcome !== null && "result" in outcome ? outcome.result : null
      expect(result, `${victim} in step ${step}`).toMatchObject({ lost: [], restarts: 0 })
      expect(stormLedger(machine, result?.schedule ?? [])).toEqual({ ticksTwice: 0, ticksOutside: 0, ticksWrong: 0 })
    }
})

describe("the ledger", () => {
  const spec = resolveMachineSpec({
    topology: { cpus: 2 },
    jobs: [
      { name: "a", run: 10, workingSet: 0 },
      { name: "b", run: 4, workingSet: 0, affinity: [1] },
    ],
  })

  it("has nothing to say where all is well", () => {
    expect(stormLedger(spec, [[[0, 6, "a"]], [[0, 4, "b"], [6, 10, "a"]]])).toEqual({ ticksTwice: 0, ticksOutside: 0, ticksWrong: 0 }) // prettier-ignore
  })

  it("sees a task on two CPUs, one outside its mask, and work done too often or not at all", () => {
    expect(stormLedger(spec, [[[0, 6, "a"]], [[3, 7, "a"], [7, 11, "b"]]])).toEqual({ ticksTwice: 3, ticksOutside: 0, ticksWrong: 0 }) // prettier-ignore
    expect(stormLedger(spec, [[[0, 4, "b"], [4, 14, "a"]], []])).toEqual({ ticksTwice: 0, ticksOutside: 4, ticksWrong: 0 }) // prettier-ignore
    expect(stormLedger(spec, [[[0, 12, "a"]], [[0, 1, "b"]]])).toEqual({ ticksTwice: 0, ticksOutside: 0, ticksWrong: 5 }) // prettier-ignore
  })
})
