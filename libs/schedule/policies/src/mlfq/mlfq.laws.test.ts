import { expect, it } from "vitest"
import { shareAmong } from "../suite/shares.ts"
import { hogs, type TaskPlan } from "../suite/workload.ts"
import { ALLOTMENT_QUANTA, BOOST_SLICES, mlfq } from "./mlfq.ts"

const SLICE_TICKS = 10

function repeated(name: string, runTicks: number, sleepTicks: number): TaskPlan {
  return { name, weight: 100, arrivalTick: 0, affinity: [], bursts: Array.from({ length: 3000 }, () => ({ runTicks, sleepTicks })) }
}

it("a task that runs shortly and sleeps stays on top: it waits for one slice at most", () => {
  const ticks = SLICE_TICKS * BOOST_SLICES
  const { result } = shareAmong(mlfq, [...hogs([100, 100], ticks), repeated("short", 1, 30)], { ticks, sliceTicks: SLICE_TICKS })
  // 500 ticks: 16 runs of a tick, within its allotment. A running slice is not cut short; the longest there is has 8 times the length.
  expect(result.fates[2]?.waitMostTicks).toBeLessThanOrEqual(8 * SLICE_TICKS)
  expect(result.fates[2]?.ranTicks).toBeGreaterThan(7)
})

it("giving up the CPU just before the quantum ends does not keep a task on top", () => {
  const ticks = SLICE_TICKS * BOOST_SLICES * 4
  const { ran } = shareAmong(mlfq, [...hogs([100], ticks), repeated("gamer", SLICE_TICKS - 1, 1)], { ticks, sliceTicks: SLICE_TICKS })
  expect(ran[1]).toBeLessThan(ticks * 0.55)
})

it("a task goes down when its allotment is used up, quanta double, and after the boost all are on top again", () => {
  const { result } = shareAmong(mlfq, hogs([100], 2000), { ticks: 1000, sliceTicks: SLICE_TICKS })
  const slices = result.decisions.map((decision) => Number(decision.split(" ").at(-1)))
  expect(slices.slice(0, 8)).toEqual([10, 10, 20, 20, 40, 40, 80, 80])
  expect(ALLOTMENT_QUANTA).toBe(2)
  // The slice that began before the boost at tick 500 ends at 540 and is charged to the top level, whose allotment it uses up.
  expect(slices.slice(8)).toEqual([80, 80, 80, 20, 20, 40, 40, 80, 80, 80, 80, 80])
})

it("after a boost a task that was starved runs again", () => {
  const ticks = SLICE_TICKS * BOOST_SLICES * 2
  const shorts = Array.from({ length: 12 }, (_, index) => repeated(`short${index}`, 5, 20))
  const { result } = shareAmong(mlfq, [...hogs([100], ticks), ...shorts], { ticks, sliceTicks: SLICE_TICKS })
  expect(result.fates[0]?.waitMostTicks).toBeLessThan(SLICE_TICKS * BOOST_SLICES * 1.5)
})
