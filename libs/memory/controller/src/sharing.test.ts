/** How often a page is looked at that nobody gains by. */
import { describe, expect, it } from "vitest"
import { hasTurn } from "./sharing.ts"

describe("a page that was shared in vain", () => {
  it("is looked at half as often each time", () => {
    const turns = (inVain: number): number =>
      Array.from({ length: 1_024 }, (_, look) => look).filter((look) => hasTurn(look, inVain)).length
    expect([0, 1, 2, 5, 8].map(turns)).toEqual([1_024, 512, 256, 32, 4])
  })

  // It was left alone for good from the eighth time on, however long its VM or its space lived.
  it("has its turn once in 256 looks, however often that was", () => {
    for (const inVain of [8, 9, 30, 1_000]) {
      for (let from = 1; from < 600; from += 37)
        expect(Array.from({ length: 256 }, (_, at) => from + at).filter((look) => hasTurn(look, inVain))).toHaveLength(1)
    }
  })
})
