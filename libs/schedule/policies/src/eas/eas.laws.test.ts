import fc from "fast-check"
import { expect, it } from "vitest"
import { drive } from "../suite/drive.ts"
import { hogs, plainWorkload, type TaskPlan } from "../suite/workload.ts"
import { cheapestSpeed, costOfWork, eas, payingDepth } from "./eas.ts"

/** CPUs 0 and 1 are big, 2 and 3 have 0.4 of their capacity. */
const places = [1024, 1024, 410, 410].map((capacity, cpu) => ({ cpu, node: 0, core: cpu, capacity }))
const SETTINGS = { seed: 1, queue: "all", cpus: [0, 1, 2, 3], sliceTicks: 10, places }

function cpusUsed(tasks: readonly TaskPlan[], sinceTick: number): ReadonlyMap<string, ReadonlySet<number>> {
  const { decisions } = drive(eas.create(SETTINGS), { ...plainWorkload(tasks, { cpus: 4 }), places }, { ticks: 1000 })
  const used = new Map<string, Set<number>>()
  for (const [tick = "", , cpu = "", task = ""] of decisions.map((decision) => decision.split(" ")))
    if (Number(tick) >= sinceTick) used.set(task, (used.get(task) ?? new Set()).add(Number(cpu)))
  return used
}

function light(name: string): TaskPlan {
  return { name, weight: 100, arrivalTick: 0, affinity: [], bursts: Array.from({ length: 100 }, () => ({ runTicks: 2, sleepTicks: 10 })) }
}

it("light tasks run on small CPUs, and big ones stay free for a task that needs them", () => {
  const used = cpusUsed([light("a"), light("b"), ...hogs([100], 2000)], 100)
  for (const name of ["a", "b"]) for (const cpu of used.get(name) ?? []) expect(cpu).toBeGreaterThanOrEqual(2)
  for (const cpu of used.get("t0") ?? []) expect(cpu).toBeLessThan(2)
  expect(used.size).toBe(3)
})

it("with more heavy tasks than big CPUs the small ones are used too", () => {
  const used = cpusUsed(hogs([100, 100, 100, 100], 2000), 0)
  expect(new Set([...used.values()].flatMap((cpus) => [...cpus])).size).toBe(4)
})

const kinds = fc
  .record({
    capacities: fc.uniqueArray(fc.integer({ min: 1, max: 1024 }), { minLength: 1, maxLength: 6 }),
    watts: fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 6, maxLength: 6 }),
    sleeps: fc.uniqueArray(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 4 }),
    wakes: fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 4, maxLength: 4 }),
  })
  .map(({ capacities, watts, sleeps, wakes }) => ({
    cpus: [],
    speeds: [...capacities].sort((a, b) => b - a).map((capacity, row) => ({ capacity, watts: 100 + (watts[row] ?? 0) })),
    idle: [...sleeps].sort((a, b) => b - a).map((draw, depth) => ({ watts: draw, wakeTicks: wakes[depth] ?? 0 })),
  }))

it("a speed does what is needed where any does, and none that would do is cheaper", () => {
  fc.assert(
    fc.property(kinds, fc.integer({ min: 0, max: 1024 }), (kind, need) => {
      const speed = cheapestSpeed(kind, need)
      const wouldDo = kind.speeds.flatMap(({ capacity }, row) => (need * 100 <= capacity * 80 ? [row] : []))
      expect(wouldDo.length === 0 ? [0] : wouldDo).toContain(speed)
      for (const row of wouldDo) expect(costOfWork(kind, speed)).toBeLessThanOrEqual(costOfWork(kind, row))
    }),
    { numRuns: Number(process.env["SCHEDULE_LAW_RUNS"] ?? 300) },
  )
})

it("a sleep that lasts as foreseen never costs more than the shallowest one", () => {
  fc.assert(
    fc.property(kinds, fc.integer({ min: 0, max: 500 }), (kind, ticks) => {
      const { watts, wakeTicks } = kind.idle[payingDepth(kind, ticks)] as { watts: number; wakeTicks: number }
      const shallow = (kind.idle[0]?.watts ?? 0) * ticks
      expect(watts * ticks + wakeTicks * (kind.speeds[0]?.watts ?? 0)).toBeLessThanOrEqual(
        shallow + (payingDepth(kind, ticks) === 0 ? Infinity : 0),
      )
    }),
    { numRuns: Number(process.env["SCHEDULE_LAW_RUNS"] ?? 300) },
  )
})
