import { describe, expect, it } from "vitest"
import fc from "fast-check"
import { Patience } from "./patience.ts"

const LIMITS = { least: 50, first: 200, most: 400 }

describe("patience with a peer", () => {
  it("begins with what is given, and comes down to little more than what answers take", () => {
    const patience = new Patience(LIMITS)
    expect(patience.cycles).toBe(200)
    for (let answer = 0; answer < 50; answer++) patience.answered(80)
    expect(patience.cycles).toBeGreaterThanOrEqual(80)
    expect(patience.cycles).toBeLessThan(100)
  })

  it("doubles each time that it ends, and is as before with the next answer", () => {
    const patience = new Patience(LIMITS)
    for (let answer = 0; answer < 50; answer++) patience.answered(60)
    const before = patience.cycles
    patience.ended()
    expect(patience.cycles).toBeCloseTo(2 * before)
    patience.ended()
    patience.ended()
    expect(patience.cycles).toBe(LIMITS.most)
    patience.answered(60)
    expect(patience.cycles).toBeCloseTo(before, -1)
  })

  it("always lies within its limits, and covers an answer that takes what the last hundred took", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: 50 }), fc.integer({ min: 0, max: 390 }), (before, steady) => {
        const patience = new Patience(LIMITS)
        for (const took of before) patience.answered(took)
        expect(patience.cycles).toBeGreaterThanOrEqual(LIMITS.least)
        expect(patience.cycles).toBeLessThanOrEqual(LIMITS.most)
        for (let answer = 0; answer < 100; answer++) patience.answered(steady)
        expect(patience.cycles).toBeGreaterThanOrEqual(steady)
      }),
    )
  })
})
