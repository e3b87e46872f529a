/** The storm in short, the kill of every scheduler in every step of a swap, and the storm's ledger on what it must see. */
import { actorKind } from "@backplane/foundation-actor/actor-id"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { TickClock } from "@backplane/scenario-machine/tick-clock"
import { hostedActors } from "@backplane/scenario-machine/topology"
import { describe, expect, it } from "vitest"
import { machineWorld, outcomeOf } from "../simulate.ts"
import { addMachineCheckers } from "../soak/machine-checkers.ts"
import { isSound } from "./storm-command.ts"
import { PLANTED, type PlantedBug } from "../testing/planted-bugs.ts"
import { liveStorm, liveStormReport } from "./live-storm.ts"
import { gapsAfter, stormLedger } from "./storm-ledger.ts"
import { LATENCY_CYCLES, STEP_CYCLES, storm, SWAP_STEPS } from "./storm.ts"

describe("a storm of swaps", () => {
  it("loses nothing, runs nothing twice or outside its mask, and CPUs wait a slice at most at p99", () => {
    const reports = [3, 4].map((seed) => storm({ seed, swaps: 120, everySlices: 8, killEvery: 3 }))
    for (const report of reports) {
      expect(report).toMatchObject({ lost: 0, restarts: 0, ticksTwice: 0, ticksOutside: 0, ticksWrong: 0, dispatchesOutside: 0, kills: 40 })
      expect(report.placesKilled).toBe(report.places)
      expect(isSound(report)).toBe(true)
    }
    // Both together have all that a storm has.
    const all = (of: (report: (typeof reports)[number]) => number): number => reports.reduce((sum, report) => sum + of(report), 0)
    expect(all(({ gone }) => gone)).toBeGreaterThan(20)
    expect(all(({ sets }) => sets)).toBeGreaterThan(10)
    expect(all(({ shadows }) => shadows)).toBeGreaterThan(10)
    expect(reports.map(({ prefetch }) => prefetch)).toContain(true)
    expect(all(({ gapMostSlices }) => gapMostSlices)).toBeGreaterThan(0)
  })

  const CAUGHT: readonly PlantedBug[] = [
    "task begun on two nodes",
    "moved task forgotten",
    "task forgotten when new",
    "task dropped when preempted",
    "attach never repeated",
  ]
  it.each(CAUGHT)("sees a bug: %s", (bug) => {
    const seen = (): boolean => !isSound(storm({ seed: 3, swaps: 60, everySlices: 8, killEvery: 3 }, PLANTED[bug]))
    let isSeen = false
    try {
      isSeen = seen()
    } catch {
      isSeen = true // a checker, or the machine itself
    }
    expect(isSeen).toBe(true)
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

describe("the gaps after a swap", () => {
  const spec = resolveMachineSpec({
    topology: { cpus: 2 },
    jobs: [
      { name: "a", run: 20, workingSet: 0 },
      { name: "b", run: 20, workingSet: 0 },
      { name: "s", run: 20, workingSet: 0, phases: [{ run: 2, sleep: 3 }] },
    ],
  })
  // CPU 0 waits from 10 to 14, and a all the while; CPU 1 waits from 10 to 12, and b from 8.
  const schedule = [[[0, 5, "b"], [5, 10, "a"], [10, 14, null], [14, 24, "a"]], [[0, 5, "s"], [5, 8, "b"], [8, 10, "s"], [10, 12, null], [12, 24, "b"]]] as const // prettier-ignore

  const ticksOf = (swapTicks: readonly number[], windowTicks: number): readonly number[] =>
    gapsAfter(spec, schedule, { swapTicks, windowTicks }).map(({ ticks }) => ticks)

  it("are what CPU and task both waited", () => {
    expect(gapsAfter(spec, schedule, { swapTicks: [9], windowTicks: 10 })).toEqual([
      { swapTick: 9, tick: 12, cpu: 1, job: "b", ticks: 2 },
      { swapTick: 9, tick: 14, cpu: 0, job: "a", ticks: 4 },
    ])
  })
  it("are those that begin within the time after a swap, whole however long, and of tasks that never sleep", () => {
    expect(ticksOf([9], 1)).toEqual([2, 4])
    expect(ticksOf([9], 0)).toEqual([])
    expect(ticksOf([15], 10)).toEqual([])
    expect(ticksOf([], 10)).toEqual([])
    expect(ticksOf([0], 100)).toEqual([0, 0, 2, 0, 4])
  })
  it("are not what was waited before the swap", () => {
    expect(ticksOf([11], 10)).toEqual([1, 3])
    expect(ticksOf([9, 11], 10)).toEqual([1, 3])
  })
})

describe("the ledger of a live storm", () => {
  const drawn = liveStorm({ seed: 1, swaps: 4, everySlices: 10, killEvery: 0 }, { sliceMilliseconds: 50, service: true })
  /** As if each job had had a CPU of its own from tick 0, or the one that it is kept to. */
  const schedule = drawn.spec.jobs.map(({ name, run }) => [[0, run, name]] as [number, number, string][])
  const spec = { ...drawn.spec, jobs: drawn.spec.jobs.map((job) => ({ ...job, affinity: [] })) }
  const ends = Object.fromEntries(spec.jobs.map(({ name, run }) => [name, run]))
  const outcome = (more: object = {}): Parameters<typeof liveStormReport>[0] => ({
    storm: { ...drawn, spec },
    calmTicks: [50, 100],
    disturbedTicks: [],
    stoppedTicks: [],
    result: { finish: 100, jobs: ends, cpus: [], migrations: 0, schedule, warmRuns: [], lost: [], restarts: 0, fingerprint: "", ...more },
  })

  it("has nothing to say where all is well", () => {
    expect(liveStormReport(outcome())).toMatchObject({ lost: 0, restarts: 0, ticksTwice: 0, ticksOutside: 0, ticksWrong: 0 })
    const gaps = { calmGaps: {}, disturbedGaps: {}, stoppedGaps: {} }
    for (const [ticks, told] of Object.entries({ calmTicks: "calmGaps", disturbedTicks: "disturbedGaps", stoppedTicks: "stoppedGaps" }))
      expect(liveStormReport({ ...outcome(), calmTicks: [], [ticks]: [0] })).toMatchObject({ ...gaps, [told]: { 0: 8 } })
    expect(liveStormReport({ ...outcome(), calmTicks: [], disturbedTicks: [0] }).worstGaps).toEqual([])
  })
  it("sees what is lost, begun again, run on two CPUs, outside its mask, or too little", () => {
    expect(liveStormReport(outcome({ jobs: { ...ends, t1: null }, restarts: 2 }))).toMatchObject({ lost: 1, restarts: 2 })
    const twice = [...schedule, [[0, 7, "t0"]]]
    expect(liveStormReport(outcome({ schedule: twice }))).toMatchObject({ ticksTwice: 7, ticksWrong: 7 })
    expect(liveStormReport(outcome({ schedule: schedule.slice(1) })).ticksWrong).toBe(spec.jobs[0]?.run)
    const pinned = { ...spec, jobs: spec.jobs.map((job) => (job.name === "t0" ? { ...job, affinity: [3] } : job)) }
    expect(liveStormReport({ ...outcome(), storm: { ...drawn, spec: pinned } }).ticksOutside).toBe(spec.jobs[0]?.run)
  })
})
