/** How long a node keeps pages while it waits for another one: two nodes that have one each of two never both keep or both give. */
import { describe, expect, it } from "vitest"
import { PageHolds } from "./page-holds.ts"

const TICK = 1_000
const two = (): readonly PageHolds[] => [0, 1].map((rank) => new PageHolds({ rank, nodes: 2, tickCycles: TICK }))

describe("pages that were brought", () => {
  it("go at once where nobody waits", () => {
    for (const holds of two()) {
      holds.hold([3, 4], 10)
      expect(holds.due(10, false)).toEqual([3, 4])
      expect(holds.due(10, false)).toEqual([])
    }
  })

  it("are kept by one of two nodes that wait, by the other one in the next tick", () => {
    for (let tick = 0; tick < 4; tick++) {
      const now = tick * TICK
      const kept = two().map((holds) => {
        holds.hold([7], now)
        return holds.due(now, true).length === 0
      })
      expect([tick, kept]).toEqual([tick, [tick % 2 === 1, tick % 2 === 0]])
    }
  })

  it("are kept for a part of a tick, and from the last use on", () => {
    const [, holds] = two()
    holds?.hold([1, 2], 0)
    holds?.hold([1], 200)
    expect(holds?.nextAt(200)).toBe(250)
    expect(holds?.due(249, true)).toEqual([])
    expect(holds?.due(250, true)).toEqual([2])
    expect(holds?.nextAt(250)).toBe(450)
    expect(holds?.due(450, true)).toEqual([1])
    expect(holds?.nextAt(450)).toBe(null)
  })
})
