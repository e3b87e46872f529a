import { describe, expect, it } from "vitest"
import { isLockstepKind, lockstepProblem } from "./protocol.ts"

const HELLO = {
  kind: "LockstepHello",
  incarnation: "i",
  roster: 0,
  actors: [{ id: "node.0", since: null }],
  through: 0,
  next: null,
  external: false,
}

describe("lock-step messages from a bus", () => {
  it("a good one passes", () => {
    expect(lockstepProblem(HELLO)).toBe(null)
    expect(lockstepProblem({ kind: "LockstepQuery" })).toBe(null)
  })

  const bad: readonly (readonly [object, string])[] = [
    [{ ...HELLO, incarnation: 7 }, "/incarnation"],
    [{ ...HELLO, actors: [{ id: "NODE", since: null }] }, "/actors"],
    [{ ...HELLO, actors: null }, "/actors"],
    [{ ...HELLO, through: -1 }, "/through"],
    [{ ...HELLO, next: 0.5 }, "/next"],
    [
      {
        kind: "LockstepGrant",
        clock: 1,
        incarnation: "i",
        number: 1,
        until: null,
        expect: [{}],
        lost: [],
        acked: [],
        roster: null,
        externalAt: null,
      },
      "/expect",
    ],
    [
      { kind: "LockstepDone", clock: 1, incarnation: "i", number: 1, through: 0, next: null, sent: [{ to: "x", count: 1, earliest: 0 }] },
      "/sent",
    ],
  ]
  for (const [body, field] of bad) {
    it(`a wrong ${field} is named`, () => {
      expect(lockstepProblem(body as { kind: string })?.field).toBe(field)
    })
  }

  it("names of Object's own are no kinds", () => {
    expect(["toString", "constructor", "__proto__", "LockstepDance"].map(isLockstepKind)).toEqual([false, false, false, false])
  })
})
