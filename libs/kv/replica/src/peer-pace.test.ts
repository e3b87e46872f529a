import { describe, expect, it } from "vitest"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { PeerPace } from "./peer-pace.ts"

const PEER = actorId("replica.1")
const LIMITS = { least: 50, first: 200, most: 400 }

describe("the pace of a peer", () => {
  it("a peer that answers what was asked later has lost what is still open", () => {
    const pace = new PeerPace(LIMITS)
    const [lost, heard] = [pace.asked(0), pace.asked(1)]
    pace.answered(PEER, heard, { now: 20, isFirst: true })
    expect(pace.isOverdue(PEER, lost, 40)).toBe(false)
    expect(pace.isOverdue(PEER, lost, 60)).toBe(true)
  })

  it("a peer that answers, but not so far yet, is waited for; one that is silent is asked again", () => {
    const pace = new PeerPace(LIMITS)
    const questions = Array.from({ length: 10 }, () => pace.asked(0))
    const last = questions[9] as (typeof questions)[number]
    for (const [index, question] of questions.slice(0, 9).entries()) {
      const now = 100 * (index + 1)
      pace.answered(PEER, question, { now, isFirst: true })
      expect(pace.isOverdue(PEER, last, now), `after ${now}`).toBe(false)
    }
    expect(pace.isOverdue(PEER, last, 900 + LIMITS.most)).toBe(true)
    expect(pace.isSilent(PEER, 1000, 200)).toBe(false)
    expect(pace.isSilent(PEER, 1100, 200)).toBe(true)
  })

  it("who was asked again is given longer", () => {
    const pace = new PeerPace(LIMITS)
    const question = pace.asked(0)
    expect(pace.isOverdue(PEER, question, LIMITS.first)).toBe(true)
    pace.wasAskedAgain(PEER)
    expect(pace.isOverdue(PEER, pace.asked(LIMITS.first), 2 * LIMITS.first)).toBe(false)
  })
})
