import fc from "fast-check"
import { expect, it } from "vitest"
import { Random } from "@backplane/foundation-base/random"
import { drawShares } from "../suite/drawn-shares.ts"
import { drive } from "../suite/drive.ts"
import { shareAmong, shareAmongHogs } from "../suite/shares.ts"
import { viewOf } from "../suite/views.ts"
import { WEIGHT_DEFAULT } from "@backplane/schedule-contract/task-view"
import { drawWorkload, hogs, plainWorkload } from "../suite/workload.ts"
import { PolicyQueue } from "../policy-queue.ts"
import { NaiveCfs } from "./naive-cfs.ts"
import { cfs, LATENCY_SLICES, LATENCY_TASKS_MAX } from "./cfs.ts"

const RUNS = { numRuns: Number(process.env["SCHEDULE_LAW_RUNS"] ?? 60) }

it("the spread of vruntime is at most a slice over its task's weight", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const { weights, sliceTicks } = drawShares(new Random(seed))
      const { ran } = shareAmongHogs(cfs, weights, { ticks: 1500, sliceTicks })
      const load = weights.reduce((sum, weight) => sum + weight, 0)
      const period = LATENCY_SLICES * sliceTicks * Math.max(1, weights.length / LATENCY_TASKS_MAX)
      const stepMost = Math.max(...weights.map((weight) => Math.max(1, Math.floor((period * weight) / load)) / weight))
      const vruntimes = ran.map((ticks, index) => ticks / (weights[index] ?? 1))
      expect(Math.max(...vruntimes) - Math.min(...vruntimes)).toBeLessThanOrEqual(stepMost + 1e-3)
    }),
    RUNS,
  )
})

it("whoever is favoured, however often, is ahead by half a period and a slice at most; and it is picked before its turn", () => {
  let before = 0
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const random = new Random(seed)
      const { weights, sliceTicks } = drawShares(random)
      const queue = cfs.create({ seed: 1, queue: "cpu-0", cpus: [0], sliceTicks })
      const favour = (tick: number): void => queue.favour?.(`t${random.below(weights.length)}`, tick)
      const { fates } = drive(queue, plainWorkload(hogs(weights, 1500), { sliceTicks }), { ticks: 1500, onTick: favour })
      const load = weights.reduce((sum, weight) => sum + weight, 0)
      const period = LATENCY_SLICES * sliceTicks * Math.max(1, weights.length / LATENCY_TASKS_MAX)
      const stepMost = Math.max(...weights.map((weight) => Math.max(1, Math.floor((period * weight) / load)) / weight))
      const vruntimes = fates.map(({ ranTicks, plan }) => ranTicks / plan.weight)
      const spread = Math.max(...vruntimes) - Math.min(...vruntimes)
      expect(spread).toBeLessThanOrEqual((LATENCY_SLICES * sliceTicks) / 2 / WEIGHT_DEFAULT + stepMost + 1e-3)
      before += Number(spread > stepMost + 1e-3)
    }),
    RUNS,
  )
  expect(before).toBeGreaterThan(0)
})

it("a sleeper cannot save up: after a long sleep it is at most half a period ahead", () => {
  const sleeper = {
    name: "sleeper",
    weight: 100,
    arrivalTick: 0,
    affinity: [],
    bursts: [
      { runTicks: 1, sleepTicks: 1000 },
      { runTicks: 1000, sleepTicks: 0 },
    ],
  }
  const { ran } = shareAmong(cfs, [...hogs([100], 3000), sleeper], { ticks: 1400, sliceTicks: 10 })
  const sinceWake = 1400 - 1001
  expect(ran[1]).toBeGreaterThanOrEqual(sinceWake / 2)
  expect(ran[1]).toBeLessThanOrEqual(sinceWake / 2 + LATENCY_SLICES * 10)
})

it("a newcomer starts where the others are: it owes them nothing and is owed nothing", () => {
  const late = { ...hogs([100], 3000)[0], name: "late", arrivalTick: 1000 } as ReturnType<typeof hogs>[number]
  const { ran } = shareAmong(cfs, [...hogs([100], 3000), late], { ticks: 1400, sliceTicks: 10 })
  expect(Math.abs((ran[1] ?? 0) - 200)).toBeLessThanOrEqual(LATENCY_SLICES * 10)
})

it("a changed weight counts at once", () => {
  const queue = cfs.create({ seed: 1, queue: "cpu-0", cpus: [0], sliceTicks: 10 })
  queue.enqueue(viewOf("a"), 0, "new")
  queue.enqueue(viewOf("b"), 0, "new")
  queue.enqueue(viewOf("a", { taskSeq: 2, weight: 300 }), 0, "new")
  expect(queue.pick(0, 0)).toMatchObject({ task: "b" })
  expect(queue.sliceTicks("b")).toBe((LATENCY_SLICES * 10) / 4)
})

it("decides exactly as the naive form, which searches a list", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 3 }), (seed, tasks, cpus) => {
      const workload = drawWorkload(new Random(seed), { tasks, cpus })
      const settings = { seed: 1, queue: "all", cpus: [0, 1, 2], sliceTicks: workload.sliceTicks }
      const naive = new PolicyQueue(new NaiveCfs({ sliceTicks: workload.sliceTicks, floor: "kept" }))
      expect(drive(cfs.create(settings), workload).decisions).toEqual(drive(naive, workload).decisions)
    }),
    RUNS,
  )
})
