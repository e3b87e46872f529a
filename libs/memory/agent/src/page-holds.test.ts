/** When a node keeps a page that has come, by either rule. */
import { describe, expect, it } from "vitest"
import { byTurnsOfNodes, PageHolds, whileCpusGoOn } from "./page-holds.ts"

const GO_ON = { goOn: true, wait: false }
const STAND = { goOn: false, wait: true }
const TICK = 1_000

describe("pages that are held while CPUs go on", () => {
  it("stay for their time from their first use, the oldest first", () => {
    const holds = new PageHolds(whileCpusGoOn(100))
    holds.hold([7], 0)
    holds.hold([7, 8], 50)
    expect(holds.due(99, GO_ON)).toEqual([])
    expect(holds.due(100, GO_ON)).toEqual([7])
    expect(holds.nextAt(100, GO_ON)).toBe(150)
    expect(holds.due(149, GO_ON)).toEqual([])
    expect(holds.due(150, GO_ON)).toEqual([8])
    expect(holds.due(1000, GO_ON)).toEqual([])
  })

  it("stay no longer than until no CPU can go on", () => {
    const holds = new PageHolds(whileCpusGoOn(100))
    holds.hold([7, 8], 0)
    expect(holds.due(1, STAND)).toEqual([7, 8])
  })
})

describe("pages that are held by turns of the nodes", () => {
  const two = (): readonly PageHolds[] => [0, 1].map((rank) => new PageHolds(byTurnsOfNodes({ rank, nodes: 2, tickCycles: TICK })))

  it("go at once where nobody waits", () => {
    for (const holds of two()) {
      holds.hold([3, 4], 10)
      expect(holds.due(10, GO_ON)).toEqual([3, 4])
      expect(holds.due(10, GO_ON)).toEqual([])
    }
  })

  it("are kept by one of two nodes that wait, by the other one in the next tick: they never both keep or both give", () => {
    for (let tick = 0; tick < 4; tick++) {
      const now = tick * TICK
      const kept = two().map((holds) => {
        holds.hold([7], now)
        return holds.due(now, STAND).length === 0
      })
      expect([tick, kept]).toEqual([tick, [tick % 2 === 1, tick % 2 === 0]])
    }
  })

  it("are kept for a part of a tick, and from the last use on", () => {
    const [, holds] = two()
    holds?.hold([1, 2], 0)
    holds?.hold([1], 200)
    expect(holds?.nextAt(200, STAND)).toBe(250)
    expect(holds?.due(249, STAND)).toEqual([])
    expect(holds?.due(250, STAND)).toEqual([2])
    expect(holds?.nextAt(250, STAND)).toBe(450)
    expect(holds?.due(450, STAND)).toEqual([1])
    expect(holds?.nextAt(450, STAND)).toBe(null)
  })
})
