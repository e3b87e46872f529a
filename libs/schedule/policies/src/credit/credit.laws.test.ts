import fc from "fast-check"
import { expect, it } from "vitest"
import { Random } from "@backplane/foundation-base/random"
import { gainOfThief } from "../suite/share-laws.ts"
import { shareAmong, shareAmongHogs } from "../suite/shares.ts"
import { drive } from "../suite/drive.ts"
import { viewOf } from "../suite/views.ts"
import { hogs, plainWorkload, type TaskPlan } from "../suite/workload.ts"
import { cpuShares, credit } from "./credit.ts"

const RUNS = { numRuns: Number(process.env["SCHEDULE_LAW_RUNS"] ?? 40) }
const TICKS = 1500

it("a thief that stops just before the tick gets at most its share and a slice of overdraft", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      expect(gainOfThief(credit, new Random(seed), TICKS)).toBeNull()
    }),
    RUNS,
  )
})

it("hogs share by weight", () => {
  const { ran } = shareAmongHogs(credit, [100, 200, 300], { ticks: 6000, sliceTicks: 10 })
  for (const [index, ticks] of ran.entries()) expect(Math.abs(ticks - 1000 * (index + 1))).toBeLessThanOrEqual(60)
})

it("who wakes with credit left goes before all others: it waits for the end of one slice at most", () => {
  const waker: TaskPlan = {
    name: "waker",
    weight: 100,
    arrivalTick: 0,
    affinity: [],
    bursts: Array.from({ length: 60 }, () => ({ runTicks: 1, sleepTicks: 50 })),
  }
  const { result } = shareAmong(credit, [waker, ...hogs([100, 100, 100], TICKS)], { ticks: TICKS, sliceTicks: 10 })
  expect(result.fates[0]?.waitMostTicks).toBeLessThanOrEqual(10)
})

it("whom a giver names is next while it has credit left, and has its share all the same", () => {
  const queue = credit.create({ seed: 1, queue: "all", cpus: [0], sliceTicks: 10 })
  for (const task of ["a", "b", "c"]) queue.enqueue(viewOf(task), 0, "new")
  queue.favour?.("c", 0)
  queue.favour?.("nobody", 0)
  expect(queue.pick(0, 0)).toMatchObject({ task: "c" })
  queue.charge("c", 10, "slice", 10)
  queue.enqueue(viewOf("c", { taskSeq: 2 }), 10, "slice")
  queue.favour?.("c", 10) // it is over: it waits for credit as others do
  expect(queue.pick(0, 10)).toMatchObject({ task: "a" })
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const random = new Random(seed)
      const weights = Array.from({ length: random.between(2, 6) }, () => random.pick([100, 200, 400]))
      const policy = credit.create({ seed: 1, queue: "all", cpus: [0], sliceTicks: 10 })
      // Somebody names the same one at every tick.
      const { fates } = drive(policy, plainWorkload(hogs(weights, 6000), { sliceTicks: 10 }), {
        ticks: 6000,
        onTick: (tick) => policy.favour?.("t0", tick),
      })
      const due = (6000 * (weights[0] ?? 0)) / weights.reduce((sum, weight) => sum + weight, 0)
      expect(Math.abs((fates[0]?.ranTicks ?? 0) - due)).toBeLessThanOrEqual(60)
    }),
    RUNS,
  )
})

it("credits are given out by weight, to nobody more than for one CPU, and for all CPUs where there are tasks for them", () => {
  expect(cpuShares([100, 200, 400, 800], 2).map((share) => Number(share.toFixed(6)))).toEqual([0.142857, 0.285714, 0.571429, 1])
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 10_000 }), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 8 }),
      (weights, cpus) => {
        const shares = cpuShares(weights, cpus)
        expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(Math.min(cpus, weights.length), 9)
        for (const [i, share] of shares.entries()) {
          expect(share).toBeLessThanOrEqual(1)
          // Two that are not held back at one CPU share by weight.
          for (const [j, other] of shares.entries())
            if (share < 1 && other < 1) expect(share * (weights[j] ?? 0)).toBeCloseTo(other * (weights[i] ?? 0), 6)
        }
      },
    ),
    RUNS,
  )
})

it("a task that is due a whole CPU does not keep the others from theirs: 1:2:4:8 on two CPUs", () => {
  const queue = credit.create({ seed: 1, queue: "all", cpus: [0, 1], sliceTicks: 10 })
  const { fates } = drive(queue, plainWorkload(hogs([100, 200, 400, 800], 9000), { cpus: 2, sliceTicks: 10 }), { ticks: 7000 })
  const due = [1000, 2000, 4000, 7000]
  for (const [index, fate] of fates.entries()) expect(Math.abs(fate.ranTicks - (due[index] ?? 0)), fate.plan.name).toBeLessThanOrEqual(60)
})
