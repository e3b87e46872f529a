import { describe, expect, it } from "vitest"
import { failoverCycles } from "./failover.ts"
import { MS } from "./scene.ts"

/** Messages from the notice on, one after the other: promise asked and given, vote asked and given, entry and answer, request passed on, read confirmed, answer. */
const HOPS = 10
const SEEDS = 40

/** The slowest of the seeds, and the sum of all. */
function slowest(delayMax: number, syncCycles: number): { readonly most: number; readonly mean: number } {
  const all = Array.from({ length: SEEDS }, (_, index) => failoverCycles({ seed: index + 1, delayMax, syncCycles }))
  return { most: Math.max(...all), mean: all.reduce((sum, each) => sum + each, 0) / SEEDS }
}

describe("a register whose leader is killed while messages are slow", () => {
  it("is answered within the messages that an election takes: nobody waits for a silence", () => {
    const [delayMax, syncCycles] = [20 * MS, 4 * MS]
    expect(slowest(delayMax, syncCycles).most).toBeLessThan((HOPS + 1.5) * delayMax + 3 * syncCycles)
  })

  // As on a computer with many times more to do than it can: a round takes about as long as the patience of who stands.
  it("is answered by an election or two where a round takes as long as an election's time, not by many", () => {
    const { most, mean } = slowest(100 * MS, 20 * MS)
    expect(most).toBeLessThan(1_300 * MS)
    expect(mean).toBeLessThan(720 * MS)
  })
})
