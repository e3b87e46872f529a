import { describe, expect, it } from "vitest"
import { failoverCycles } from "./failover.ts"
import { MS, SECOND } from "./scene.ts"

/** Messages from the notice on, one after the other: promise asked and given, vote asked and given, entry and answer, request passed on, read confirmed, answer. */
const HOPS = 10
const SEEDS = 40

function slowest(delayMax: number, syncCycles: number): number {
  return Math.max(...Array.from({ length: SEEDS }, (_, index) => failoverCycles({ seed: index + 1, delayMax, syncCycles })))
}

describe("a register whose leader is killed while messages are slow", () => {
  it("is answered within the messages that an election takes: nobody waits for a silence", () => {
    const [delayMax, syncCycles] = [20 * MS, 4 * MS]
    expect(slowest(delayMax, syncCycles)).toBeLessThan((HOPS + 1.5) * delayMax + 3 * syncCycles)
  })

  // As on a computer with many times more to do than it can: a round takes about as long as the patience of who stands, or longer.
  it("is answered by an election or two where a round takes as long as an election's time, not by many", () => {
    expect(slowest(100 * MS, 20 * MS)).toBeLessThan(1_300 * MS)
    expect(slowest(150 * MS, 40 * MS)).toBeLessThan(2 * SECOND)
  })
})
