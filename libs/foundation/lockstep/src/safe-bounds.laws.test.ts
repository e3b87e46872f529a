import { virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { safeBounds } from "./safe-bounds.ts"

/** A stupid reference: for each port look at all others. */
function reference(floors: readonly (VirtualTime | null)[], latency: number): (number | null)[] {
  return floors.map((_, index) => {
    const others = floors.filter((floor, other) => other !== index && floor !== null) as number[]
    return others.length === 0 ? null : Math.min(...others) + latency
  })
}

const floor = fc.option(fc.nat(20).map(virtualTime), { nil: null })

describe("safe bounds", () => {
  it("are the earliest of the others plus the latency", () => {
    fc.assert(
      fc.property(fc.array(floor, { maxLength: 6 }), fc.integer({ min: 1, max: 9 }), (floors, latency) => {
        expect(
          safeBounds(
            floors.map((each) => ({ floor: each })),
            latency,
          ),
        ).toEqual(reference(floors, latency))
      }),
    )
  })

  it("somebody can always go on: the earliest is before its own bound", () => {
    fc.assert(
      fc.property(fc.array(floor, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 9 }), (floors, latency) => {
        const bounds = safeBounds(
          floors.map((each) => ({ floor: each })),
          latency,
        )
        fc.pre(floors.some((each) => each !== null))
        expect(floors.some((each, index) => each !== null && (bounds[index] ?? Infinity) > each)).toBe(true)
      }),
    )
  })
})
