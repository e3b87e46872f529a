import fc from "fast-check"
import { expect, it } from "vitest"
import { Random } from "@backplane/foundation-base/random"
import { drawShares, pairErrorMost } from "../suite/drawn-shares.ts"
import { shareAmong, shareAmongHogs } from "../suite/shares.ts"
import { hogs } from "../suite/workload.ts"
import { stride } from "./stride.ts"

const RUNS = { numRuns: Number(process.env["SCHEDULE_LAW_RUNS"] ?? 60) }

it("between any two tasks the error is at most a slice, at any time", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 1500 }), (seed, ticks) => {
      const { weights, sliceTicks } = drawShares(new Random(seed))
      const { ran } = shareAmongHogs(stride, weights, { ticks, sliceTicks })
      expect(pairErrorMost(ran, weights)).toBeLessThanOrEqual(sliceTicks)
    }),
    RUNS,
  )
})

it("a joiner is served from then on by its weight, and does not catch up on what it missed", () => {
  const late = hogs([300], 5000).map((task) => ({ ...task, name: "late", arrivalTick: 1000 }))
  const { ran } = shareAmong(stride, [...hogs([100], 5000), ...late], { ticks: 1400, sliceTicks: 10 })
  expect(Math.abs((ran[1] ?? 0) - 300)).toBeLessThanOrEqual(20)
})

it("leaving and coming back wins nothing: a task that sleeps after every slice gets no more than its share of the time it wanted", () => {
  const inAndOut = {
    name: "in-and-out",
    weight: 100,
    arrivalTick: 0,
    affinity: [],
    bursts: Array.from({ length: 500 }, () => ({ runTicks: 5, sleepTicks: 5 })),
  }
  const { result, fluid } = shareAmong(stride, [...hogs([100], 5000), inAndOut], { ticks: 2000, sliceTicks: 10 })
  const fate = result.fates[1]
  if (fate === undefined) throw new Error("it is there")
  expect(fate.ranTicks).toBeLessThanOrEqual(fluid.dueTicks(fate) * 1.1 + 10)
})
