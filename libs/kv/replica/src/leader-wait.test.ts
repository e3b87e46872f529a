import { describe, expect, it } from "vitest"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { LeaderWait, type AskedLinear } from "./leader-wait.ts"

const [GONE, OTHER] = [actorId("replica.0"), actorId("replica.1")]

function asked(sequence: number): AskedLinear {
  const operation = { type: "get", bucket: "register", key: "k" } as const
  return { requester: actorId("gateway.0"), request: { sequence, attempt: 0, operation }, operation, way: "direct" }
}
const sequences = (all: readonly AskedLinear[]): number[] => all.map(({ request }) => request.sequence)

describe("requests that wait for a leader", () => {
  it("are given back in their order, once", () => {
    const wait = new LeaderWait(100)
    for (const sequence of [1, 2]) wait.add(7, asked(sequence), 0)
    wait.add(8, asked(3), 0)
    expect(wait.count).toBe(3)
    expect(sequences(wait.take(7))).toEqual([1, 2])
    expect([wait.has(7), wait.has(8), wait.count]).toEqual([false, true, 1])
    expect(wait.take(7)).toEqual([])
  })

  it("wait again where the leader that they were passed on to is gone, if that was lately", () => {
    const wait = new LeaderWait(100)
    wait.passedOn(7, GONE, asked(1), 0)
    wait.passedOn(7, OTHER, asked(2), 50)
    wait.passedOn(7, GONE, asked(3), 60)
    wait.again(7, GONE, 110)
    expect(sequences(wait.take(7))).toEqual([3])
    wait.again(7, GONE, 110)
    expect(wait.has(7)).toBe(false)
  })

  it("are given up after their time, and refused beyond their number", () => {
    const wait = new LeaderWait(100)
    wait.add(7, asked(1), 0)
    wait.add(7, asked(2), 50)
    expect(sequences(wait.late(99))).toEqual([])
    expect(sequences(wait.late(100))).toEqual([1])
    expect(sequences(wait.late(150))).toEqual([2])
    expect(wait.count).toBe(0)
    let taken = 0
    while (taken < 1_000_000 && wait.add(7, asked(taken + 1), 0)) taken++
    expect(taken).toBe(1024)
  })
})
