/** A task has moved to another node: which of its memory's pages the controller sends along. */
import { describe, expect, it } from "vitest"
import type { Effect } from "@backplane/foundation-actor/machine"
import type { CoherenceMessage } from "@backplane/memory-contract/coherence-messages"
import type { SpaceShared } from "@backplane/memory-contract/memory-messages"
import { nodeActor } from "@backplane/scenario-machine/topology"
import { Directory } from "./directory.ts"
import { DEFAULT_SPACE_RULES, givenRules, noteCounts, PagePolicy } from "./page-policy.ts"

type Out = Effect<CoherenceMessage | SpaceShared>[]

/** Pages 0 to 9 lie on node 0, which missed on each of them as often as its number says; page 9 was used by node 1 as much. */
function setup(follow: boolean | undefined): {
  readonly policy: PagePolicy
  readonly look: () => void
  readonly went: (free?: number, way?: { from: number; to: number }) => number[]
} {
  const directory = new Directory({ nodes: 2, epoch: 1, nodeActor, place: () => 0, knowsNothing: false })
  const policy = new PagePolicy()
  if (follow !== undefined) policy.setRules("m", { ...DEFAULT_SPACE_RULES, follow })
  const out: Out = []
  const to = { space: "m", epoch: 1, node: 0, txn: 1 }
  for (let page = 0; page < 10; page++) {
    directory.hear(nodeActor(0), { kind: "PageGetM", ...to, page, has: false }, out)
    directory.hear(nodeActor(0), { kind: "PageUnblock", ...to, page }, out)
  }
  const counts = Array.from({ length: 10 }, (_, page) => [page, page, 0]).flat()
  noteCounts(directory.spaces().get("m"), { kind: "PageCounts", space: "m", node: 0, epoch: 1, counts })
  noteCounts(directory.spaces().get("m"), { kind: "PageCounts", space: "m", node: 1, epoch: 1, counts: [9, 9, 0] })
  return {
    policy,
    look: () => {
      policy.look(directory, [100, 100], [])
    },
    went: (framesFree = 100, way = { from: 0, to: 1 }) => {
      const effects: Out = []
      policy.follow(directory, { space: "m", ...way, framesFree }, effects)
      return effects.flatMap((effect) =>
        effect.kind === "send" && "page" in effect.body && (effect.body.kind === "PageRecall" || effect.body.kind === "PageHandOver")
          ? [effect.body.page]
          : [],
      )
    },
  }
}

describe("pages go along with a task", () => {
  it("where the rules say so: its own, the hottest first", () => {
    const { went, policy } = setup(true)
    expect(went()).toEqual([8, 7, 6, 5, 4, 3, 2])
    expect(policy.countsOf("m").migrations).toBe(7)
    // They are on their way.
    expect(went()).toEqual([])
  })

  it("as many as there are frames for", () => {
    expect(setup(true).went(2)).toEqual([8, 7])
    expect(setup(true).went(0)).toEqual([])
  })

  it("not where the rules say nothing of it, nor of a memory that nobody knows, nor from where they are not", () => {
    expect(setup(false).went()).toEqual([])
    expect(setup(undefined).went()).toEqual([])
    expect(setup(true).went(100, { from: 1, to: 0 })).toEqual([])
  })

  it("where the scenario says so, until an operator gives other rules, and again when the space has ended", () => {
    const given = givenRules({ memory: { swapPages: 0, spaces: [{ name: "m", follow: true, hotMisses: 3 }] } })
    const policy = new PagePolicy({ index: 0, of: 1 }, given)
    expect(policy.rulesOf("m")).toEqual({ ...DEFAULT_SPACE_RULES, follow: true, hotMisses: 3 })
    expect(policy.rulesOf("n")).toEqual(DEFAULT_SPACE_RULES)
    // A timer is for spaces that there are.
    expect([policy.isActive(new Set()), policy.isActive(new Set(["m"]))]).toEqual([false, true])
    policy.setRules("m", DEFAULT_SPACE_RULES)
    expect([policy.rulesOf("m").follow, policy.isActive(new Set(["m"]))]).toEqual([undefined, false])
    policy.forget("m")
    expect(policy.rulesOf("m").follow).toBe(true)
  })

  it("by what was missed of late: a look later they do, after two looks without a miss nothing is hot any more", () => {
    const once = setup(true)
    once.look()
    expect(once.went()).toHaveLength(7)
    const twice = setup(true)
    twice.look()
    twice.look()
    expect(twice.went()).toEqual([])
  })
})
