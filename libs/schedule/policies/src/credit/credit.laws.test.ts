import fc from "fast-check"
import { expect, it } from "vitest"
import { Random } from "@backplane/foundation-base/random"
import { gainOfThief } from "../suite/share-laws.ts"
import { shareAmong, shareAmongHogs } from "../suite/shares.ts"
import { hogs, type TaskPlan } from "../suite/workload.ts"
import { credit } from "./credit.ts"

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
