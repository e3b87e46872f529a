import { describe, expect, it } from "vitest"
import { WalkAhead } from "./walk-ahead.ts"

describe("a walk through memory", () => {
  it("is seen after some equal steps; then more and more pages are asked for together", () => {
    const walks = new WalkAhead(8)
    expect([10, 11, 12].map((page) => walks.missed(page))).toEqual([[], [], [13, 14, 15, 16]])
    // The next that is missed is the first that was not asked for.
    expect(walks.missed(17)).toEqual([18, 19, 20, 21, 22, 23, 24, 25])
    expect(walks.missed(26)).toEqual([27, 28, 29, 30, 31, 32, 33, 34])
  })

  it("goes down as well, and in steps", () => {
    const walks = new WalkAhead(4)
    expect([50, 48, 46].map((page) => walks.missed(page))).toEqual([[], [], [44, 42, 40, 38]])
  })

  it("of each hart is its own", () => {
    const walks = new WalkAhead(4)
    const missed = [100, 500, 101, 501, 102, 502].map((page) => walks.missed(page))
    expect(missed.slice(4)).toEqual([
      [103, 104, 105, 106],
      [503, 504, 505, 506],
    ])
  })

  it("is not seen in misses by chance", () => {
    const walks = new WalkAhead(32)
    expect([3, 900, 41, 77, 3_000, 512].flatMap((page) => walks.missed(page))).toEqual([])
  })
})
