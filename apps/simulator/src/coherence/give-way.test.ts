/** When a hart rests: the decision alone. */
import { describe, expect, it } from "vitest"
import { HartRests } from "./hart-rests.ts"

describe("a hart that goes round", () => {
  const COSTS = { restCycles: 1000, backOffCycles: 100 }
  const calm = (now: number): { readonly now: number; readonly interrupted: () => boolean } => ({ now, interrupted: () => false })

  it("rests, at most for its time, and not through an interrupt", () => {
    const rests = new HartRests(2, COSTS)
    rests.looked(0, true, 0)
    expect(rests.rests(0, calm(999))).toBe(true)
    expect(rests.rests(1, calm(0))).toBe(false)
    expect(rests.rests(0, { now: 10, interrupted: () => true })).toBe(false)
    rests.cameBack(0, 10)
    expect(rests.until(0)).toBe(1010)
    expect(rests.rests(0, calm(1010))).toBe(false)
    expect(rests.until(0)).toBeNull()
  })

  it("goes on as soon as another hart of the node may have written, where it waits for a lock", () => {
    const rests = new HartRests(2, COSTS)
    rests.looked(0, true, 0)
    rests.cameBack(1, 0)
    rests.written(0)
    expect(rests.rests(0, calm(1))).toBe(true)
    rests.written(1)
    expect(rests.rests(0, calm(1))).toBe(false)
    expect(rests.rests(1, calm(1))).toBe(true)
  })

  it("backs off twice as long each time the page of its lock is taken, until it gets on", () => {
    const rests = new HartRests(1, COSTS)
    const waits = [1, 2, 3].map(() => {
      rests.looked(0, true, 0)
      rests.left(0)
      return rests.until(0)
    })
    expect(waits).toEqual([100, 200, 400])
    rests.looked(0, false, 0)
    rests.looked(0, true, 0)
    rests.left(0)
    expect(rests.until(0)).toBe(100)
  })

  it("is looked at more and more seldom where it does not go round, and at once when it asked for a page", () => {
    const rests = new HartRests(1, COSTS)
    const quantaUntilLook = (): number => {
      for (let quanta = 1; ; quanta++) if (rests.isTimeToLook(0)) return quanta
    }
    const gaps = Array.from({ length: 6 }, () => {
      const gap = quantaUntilLook()
      rests.looked(0, false, 0)
      return gap
    })
    expect(gaps).toEqual([1, 2, 4, 8, 16, 16])
    rests.disturbed(0)
    expect(quantaUntilLook()).toBe(1)
  })

  it("never rests where nobody shall", () => {
    const rests = new HartRests(1, { restCycles: 0, backOffCycles: 0 })
    expect(rests.isTimeToLook(0)).toBe(false)
    rests.cameBack(0, 0)
    expect(rests.until(0)).toBeNull()
  })
})
