import { describe, expect, it } from "vitest"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { LateRequests } from "./late-requests.ts"

const SENDER = actorId("gateway.0")
const LIMIT = 1_000

describe("late requests", () => {
  it("are those that took the limit longer than the quickest, however far the clocks are apart", () => {
    for (const apart of [0, 50_000, -50_000]) {
      const late = new LateRequests(LIMIT)
      expect(late.isLate(SENDER, 10_000, 10_010 + apart)).toBe(false)
      expect(late.isLate(SENDER, 10_100, 11_000 + apart)).toBe(false)
      // Stood still: what was sent before that is late, what was sent behind it is not.
      expect(late.isLate(SENDER, 11_000, 14_000 + apart)).toBe(true)
      expect(late.isLate(SENDER, 12_500, 14_000 + apart)).toBe(true)
      expect(late.isLate(SENDER, 13_500, 14_000 + apart)).toBe(false)
    }
  })

  it("are told by each sender's own clock, and the first message of one is never late", () => {
    const late = new LateRequests(LIMIT)
    expect(late.isLate(SENDER, 0, 10)).toBe(false)
    expect(late.isLate(actorId("gateway.1"), 0, 90_000)).toBe(false)
    expect(late.isLate(actorId("gateway.1"), 0, 91_000)).toBe(true)
    expect(late.isLate(SENDER, 90_995, 91_005)).toBe(false)
  })

  it("are none any more after the limit, where it is the clock that went forward", () => {
    const late = new LateRequests(LIMIT)
    expect(late.isLate(SENDER, 0, 10)).toBe(false)
    const heard = Array.from({ length: 15 }, (_, index) => late.isLate(SENDER, 100 + 100 * index, 5_110 + 100 * index))
    expect(heard.slice(0, 10)).toEqual(new Array(10).fill(true))
    expect(heard.slice(10)).toEqual(new Array(5).fill(false))
    expect(late.isLate(SENDER, 1_600, 8_000)).toBe(true)
  })

  it("are none of a sender whose clock is slower, for the measure is renewed", () => {
    const late = new LateRequests(LIMIT)
    const refused = Array.from({ length: 20_000 }, (_, index) => late.isLate(SENDER, 99 * index, 100 * index)).filter(Boolean)
    expect(refused).toEqual([])
  })
})
