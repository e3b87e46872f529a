import fc from "fast-check"
import { expect, it } from "vitest"
import { Random } from "@backplane/foundation-base/random"
import { drawShares, pairErrorMost } from "../suite/drawn-shares.ts"
import { gainByComingAndGoing } from "../suite/share-laws.ts"
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

it("coming and going wins nothing", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      expect(gainByComingAndGoing(stride, new Random(seed), 1000)).toBeNull()
    }),
    RUNS,
  )
})
