import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { TrapRing, type TrapRecord } from "./trap-ring.ts"

const word = fc.nat({ max: 0xffff_ffff })
const wide = fc.nat({ max: Number.MAX_SAFE_INTEGER })
const record = fc.record({
  time: wide,
  instret: wide,
  cause: word,
  pcHigh: word,
  pcLow: word,
  vaHigh: word,
  vaLow: word,
  class: word,
  duration: wide,
})

describe("the trap ring", () => {
  it("hands out the last records in order and counts the others, like a list would", () => {
    const step = fc.oneof({ arbitrary: record, weight: 4 }, { arbitrary: fc.nat({ max: 8 }), weight: 1 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 60 }), (capacity, steps) => {
        const ring = new TrapRing(capacity)
        let unread: TrapRecord[] = []
        let dropped = 0
        for (const each of steps) {
          if (typeof each === "number") {
            expect(ring.drain(each)).toEqual(unread.slice(0, each))
            unread = unread.slice(each)
          } else {
            ring.push(each)
            unread.push(each)
            if (unread.length > capacity) dropped += unread.splice(0, 1).length
          }
          expect(ring.dropped).toBe(dropped)
        }
      }),
    )
  })
})
