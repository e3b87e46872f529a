import { describe, expect, it } from "vitest"
import { tailOf, type Took } from "./tail.ts"

const took = (start: number, milliseconds: number, more: Partial<Took> = {}): Took => ({
  ...{ what: "key", start, milliseconds, tries: 1, attempts: 1 },
  ...more,
})
const BLOWS = [{ fault: "a shard's kill", at: 10_000, over: 12_000 }]

describe("the tail of a run", () => {
  it("takes the slowest share and says what was done to the store while they waited", () => {
    const operations = [
      took(9_950, 400, { what: "register", attempts: 2 }),
      took(9_990, 300, { tries: 2 }),
      took(10_800, 200),
      took(12_500, 190),
      took(13_500, 180),
      ...Array.from({ length: 95 }, (_, index) => took(index, 5)),
    ]
    expect(tailOf(operations, BLOWS, 0.05)).toEqual([
      { reason: "register, sent to a second replica, across the moment of a shard's kill", operations: 1, longest_ms: 400 },
      { reason: "key, sent to a second gateway, across the moment of a shard's kill", operations: 1, longest_ms: 300 },
      { reason: "key, sent once, until a shard's kill is over", operations: 1, longest_ms: 200 },
      { reason: "key, sent once, after a shard's kill", operations: 1, longest_ms: 190 },
      { reason: "key, sent once, nothing done to the store", operations: 1, longest_ms: 180 },
    ])
  })

  it("puts those with one reason together, the most frequent first", () => {
    const operations = [took(10_300, 500), took(20_000, 400), took(20_001, 300)]
    expect(tailOf(operations, BLOWS, 1)).toEqual([
      { reason: "key, sent once, nothing done to the store", operations: 2, longest_ms: 400 },
      { reason: "key, sent once, until a shard's kill is over", operations: 1, longest_ms: 500 },
    ])
  })
})
