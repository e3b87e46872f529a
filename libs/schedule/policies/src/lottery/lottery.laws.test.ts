import fc from "fast-check"
import { expect, it } from "vitest"
import { Random } from "@backplane/foundation-base/random"
import { drawShares } from "../suite/drawn-shares.ts"
import { shareAmong, shareAmongHogs } from "../suite/shares.ts"
import { viewOf } from "../suite/views.ts"
import { hogs } from "../suite/workload.ts"
import { lottery } from "./lottery.ts"

const RUNS = { numRuns: Number(process.env["SCHEDULE_LAW_RUNS"] ?? 25) }
const DRAWS = 2000
/** Two in a million by chance, for each z. */
const Z_MOST = 5

it("wins are binomial with odds by weight: |z| < 5", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const { weights } = drawShares(new Random(seed))
      const { ran } = shareAmongHogs(lottery, weights, { ticks: DRAWS, sliceTicks: 1, seed })
      const tickets = weights.reduce((sum, weight) => sum + weight, 0)
      for (const [index, wins] of ran.entries()) {
        const odds = (weights[index] ?? 0) / tickets
        expect(Math.abs(wins - DRAWS * odds) / Math.sqrt(DRAWS * odds * (1 - odds))).toBeLessThan(Z_MOST)
      }
    }),
    // The seed is given: a law of chance must not fail by chance. The nightly form walks through more of them.
    { ...RUNS, seed: 1 },
  )
})

it("a task that uses a fifth of its slice gets its share none the less, by compensation", () => {
  const short = {
    name: "short",
    weight: 100,
    arrivalTick: 0,
    affinity: [],
    bursts: Array.from({ length: 6000 }, () => ({ runTicks: 2, sleepTicks: 0 })),
  }
  const { ran } = shareAmong(lottery, [...hogs([100], 20_000), short], { ticks: 20_000, sliceTicks: 10, seed: 3 })
  expect(Math.abs((ran[1] ?? 0) / 20_000 - 0.5)).toBeLessThan(0.05)
})

it("odds are by weight among those that may run there, however few", () => {
  const queue = lottery.create({ seed: 5, queue: "all", cpus: [0, 1], sliceTicks: 1 })
  for (let index = 0; index < 100; index++) queue.enqueue(viewOf(`other${index}`, { affinity: [0] }), 0, "new")
  const wins = { a: 0, b: 0 }
  queue.enqueue(viewOf("a", { affinity: [1], weight: 100 }), 0, "new")
  queue.enqueue(viewOf("b", { affinity: [1], weight: 300 }), 0, "new")
  for (let draw = 0; draw < DRAWS; draw++) {
    const winner = queue.pick(1, draw)
    if (winner === undefined) throw new Error("somebody may run on CPU 1")
    wins[winner.task as "a" | "b"]++
    queue.charge(winner.task, 1, "slice", draw + 1)
    queue.enqueue(winner, draw + 1, "slice")
  }
  expect(Math.abs(wins.b - DRAWS * 0.75) / Math.sqrt(DRAWS * 0.75 * 0.25)).toBeLessThan(Z_MOST)
})

it("another seed or another queue draws otherwise", () => {
  const decisions = [1, 2].map((seed) => shareAmongHogs(lottery, [100, 100], { ticks: 200, sliceTicks: 1, seed }).result.fingerprint)
  expect(decisions[0]).not.toBe(decisions[1])
})
