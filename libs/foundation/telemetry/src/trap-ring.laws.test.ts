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
  it("knows the last records in order, like a list would, however often it is asked", () => {
    const step = fc.oneof({ arbitrary: record, weight: 4 }, { arbitrary: fc.nat({ max: 8 }), weight: 1 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 60 }), (capacity, steps) => {
        const ring = new TrapRing(capacity)
        const written: TrapRecord[] = []
        for (const each of steps) {
          if (typeof each === "number") {
            const wanted = Math.min(each, capacity)
            expect(ring.last(each)).toEqual(wanted === 0 ? [] : written.slice(-wanted))
          } else {
            ring.push(each)
            written.push(each)
          }
          expect(ring.written).toBe(written.length)
        }
      }),
    )
  })
})
