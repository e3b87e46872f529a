import { describe, expect, it } from "vitest"
import { Random } from "@backplane/foundation-base/random"
import { PolicyQueue } from "../policy-queue.ts"
import { shareAmongHogs } from "../suite/shares.ts"
import { viewOf } from "../suite/views.ts"
import { LEVELS, levelOfWeight, levelSliceTicks } from "./levels.ts"
import { O1Discipline, o1 } from "./o1.ts"

/** Words of two arrays, and one item. */
const LOOKS_MOST = 2 * Math.ceil(LEVELS / 32) + 2

function looksOfPicks(tasks: number): number {
  const discipline = new O1Discipline(2)
  const queue = new PolicyQueue(discipline)
  const random = new Random(tasks)
  for (let index = 0; index < tasks; index++) queue.enqueue(viewOf(`t${index}`, { weight: random.between(1, 10_000) }), 0, "new")
  let most = 0
  for (let now = 0; now < 2000; now++) {
    const before = discipline.looks
    const view = queue.pick(0, now)
    most = Math.max(most, discipline.looks - before)
    if (view === undefined) continue
    const ran = queue.sliceTicks(view.task)
    queue.charge(view.task, ran, "slice", now + 1)
    queue.enqueue(view, now + 1, "slice")
  }
  return most
}

it("a choice costs the same among 1 task and among 5000", () => {
  expect(looksOfPicks(1)).toBeLessThanOrEqual(LOOKS_MOST)
  expect(looksOfPicks(5000)).toBeLessThanOrEqual(LOOKS_MOST)
})

it("each task uses its slice once in an epoch", () => {
  const weights = [1, 30, 100, 100, 500, 10_000]
  const slices = weights.map((weight) => levelSliceTicks(levelOfWeight(weight), 5))
  const epoch = slices.reduce((sum, some) => sum + some, 0)
  const { ran, result } = shareAmongHogs(o1, weights, { ticks: 7 * epoch, sliceTicks: 5 })
  expect(ran).toEqual(slices.map((slice) => 7 * slice))
  expect(result.decisions).toHaveLength(7 * weights.length)
})

it("what is left of a slice is kept over a sleep, and used up it means waiting for the next epoch", () => {
  const queue = o1.create({ seed: 1, queue: "cpu-0", cpus: [0], sliceTicks: 10 })
  queue.enqueue(viewOf("a"), 0, "new")
  queue.enqueue(viewOf("b"), 0, "new")
  expect(queue.pick(0, 0)?.task).toBe("a")
  queue.charge("a", 4, "blocked", 4)
  queue.enqueue(viewOf("a"), 4, "wake")
  expect(queue.pick(0, 4)?.task).toBe("b")
  queue.charge("b", 10, "slice", 14)
  queue.enqueue(viewOf("b"), 14, "slice")
  expect(queue.pick(0, 14)?.task).toBe("a")
  expect(queue.sliceTicks("a")).toBe(6)
})

describe("levels", () => {
  it("fall as weights grow: weight 100 is in the middle, and slices run from 8 times the base to a twentieth", () => {
    expect([1, 10, 79, 100, 125, 10_000].map(levelOfWeight)).toEqual([39, 30, 21, 20, 19, 0])
    expect([0, 20, 39].map((level) => levelSliceTicks(level, 100))).toEqual([800, 100, 5])
    for (let weight = 2; weight <= 10_000; weight++) expect(levelOfWeight(weight)).toBeLessThanOrEqual(levelOfWeight(weight - 1))
  })
})
