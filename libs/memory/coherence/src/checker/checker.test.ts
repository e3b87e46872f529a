import { describe, expect, it } from "vitest"
import { PLANTED_PROTOCOLS } from "../planted.ts"
import { PROTOCOL } from "../rules.ts"
import { explore } from "./explore.ts"
import { SCOPES, scopesFor } from "./scopes.ts"

/** What CI can afford; `backplane check coherence` searches all. */
const SMALL_SCOPES = [...SCOPES.slice(0, 5), ...SCOPES.filter(({ name }) => name === "a store, an eviction, a frame that moves")]
/** Found within a few thousand states each. */
const QUICK = [
  "one acknowledgement is enough",
  "the pin is forgotten",
  "SC ignores the reservation",
  "acknowledged before the TLB is clean",
  "a downgrade is not written back",
  "from E to M without dirty",
  "an operation that is asked for again is done again",
  "bytes are let go before they have arrived",
  "sharers are not invalidated",
  "a later request does not say that the earlier was served",
  "who gives a page back to a frame that has gone is not answered",
  "a lost request is not made again",
]

describe("the model checker", () => {
  it.each(SMALL_SCOPES)("finds no violation in any state of: $name", (scope) => {
    const { violation, complete, states } = explore(PROTOCOL, { ...scope, statesMax: 100_000, progressEvery: 50 })
    expect(violation).toBeNull()
    expect(complete).toBe(true)
    expect(states).toBeGreaterThan(500)
  })

  it.each(PLANTED_PROTOCOLS.filter(({ bug }) => QUICK.includes(bug)))("finds: $bug", ({ protocol, needs }) => {
    const found = scopesFor(needs).some((scope) => explore(protocol, { ...scope, statesMax: 10_000, progressEvery: 10 }).violation !== null)
    expect(found).toBe(true)
  })

  it("has at least 25 planted bugs, each with its own name", () => {
    expect(new Set(PLANTED_PROTOCOLS.map(({ bug }) => bug)).size).toBe(PLANTED_PROTOCOLS.length)
    expect(PLANTED_PROTOCOLS.length).toBeGreaterThanOrEqual(25)
  })
})
