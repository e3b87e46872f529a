import { describe, expect, it } from "vitest"
import { TimeHistory } from "./time-history.ts"

const MS = 1000

describe("where a clock stood", () => {
  it("is never told higher than it was, nor lower than it was 50 ms before", () => {
    const history = new TimeHistory()
    const rises: [now: number, time: number][] = []
    let [now, time] = [7 * MS, 1_000_000]
    for (let index = 0; index < 400; index++) {
      history.rose(now, time)
      rises.push([now, time])
      now += index % 17 === 0 ? 400 * MS : (index % 5) * 9 * MS
      time += 1 + (index % 3) * 5 * MS
    }
    const stood = (moment: number): number | null => rises.findLast(([at]) => at <= moment)?.[1] ?? null
    for (let moment = 0; moment < now; moment += 3 * MS) {
      const told = history.at(moment)
      const [least, most] = [stood(moment - 50 * MS), stood(moment)]
      expect(told === null, `at ${moment}`).toBe(most === null)
      expect(told ?? 0).toBeLessThanOrEqual(most ?? 0)
      expect(told ?? 0).toBeGreaterThanOrEqual(least ?? 0)
    }
  })

  it("is not known of what was before the first, nor longer ago than it remembers", () => {
    const history = new TimeHistory()
    history.rose(100 * MS, 5)
    expect([history.at(99 * MS), history.at(100 * MS), history.at(101 * MS)]).toEqual([null, 5, 5])
    for (let index = 1; index < 5_000; index++) history.rose((100 + 60 * index) * MS, 5 + index)
    expect(history.at(1_000 * MS)).toBeNull()
    expect(history.at((100 + 60 * 4_999) * MS)).toBe(5_004)
    expect(history.at((100 + 60 * 4_500) * MS)).toBe(4_505)
  })
})
