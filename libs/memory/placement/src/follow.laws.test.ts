import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { PageUse } from "./decide-moves.ts"
import { FOLLOW_RULES, followMoves, type FollowRules } from "./follow.ts"

const NODES = 3
const misses = fc.array(fc.oneof(fc.constant(0), fc.nat(40)), { minLength: NODES, maxLength: NODES })
const uses = fc
  .array(fc.record({ home: fc.nat(NODES - 1), replica: fc.option(fc.nat(NODES - 1)), reads: misses, writes: misses }), { maxLength: 12 })
  .map((pages) =>
    pages.map(({ home, replica, reads, writes }, page): PageUse => ({
      page,
      home,
      replicas: replica === null || replica === home ? [] : [replica],
      reads,
      writes,
      moves: 0,
      movedAt: null,
    })),
  )
const RULES: FollowRules = { ...FOLLOW_RULES, pagesMax: 3 }
const FRAMES = 2

/** The laws of following, for the decision and for ones gone wrong; null: they hold. */
function broken(follow: typeof followMoves): string | null {
  const result = fc.check(
    fc.property(uses, fc.nat(NODES - 1), fc.nat(NODES - 1), (pages, from, to) => {
      const moves = follow(pages, { from, to }, { rules: RULES, framesFree: FRAMES })
      if (moves.length > Math.min(RULES.pagesMax, FRAMES) || (from === to && moves.length > 0)) return false
      if (new Set(moves.map(({ page }) => page)).size !== moves.length) return false
      const of = (page: number, node: number): number => (pages[page]?.reads[node] ?? 0) + (pages[page]?.writes[node] ?? 0)
      const own = (page: number): boolean => {
        const total = Array.from({ length: NODES }, (_, node) => of(page, node)).reduce((sum, each) => sum + each, 0)
        return of(page, from) >= RULES.leastMisses && of(page, from) * 100 >= total * RULES.ownPercent
      }
      const isNear = (page: number): boolean => pages[page]?.home === to || pages[page]?.replicas.includes(to) === true
      // F1 to F3: what was the vCPU's own, to where it is, and nothing that is there.
      if (!moves.every((move) => move.kind === "migrate" && move.to === to && own(move.page) && !isNear(move.page))) return false
      // F4: the hottest; nothing is left behind that was worth more, or for which there was room.
      const least = Math.min(Infinity, ...moves.map(({ page }) => of(page, from)))
      const left = pages.flatMap(({ page }) =>
        from !== to && own(page) && !isNear(page) && !moves.some((move) => move.page === page) ? [of(page, from)] : [],
      )
      return left.length === 0 || (moves.length === Math.min(RULES.pagesMax, FRAMES) && left.every((each) => each <= least))
    }),
    { numRuns: 2000, seed: 5 },
  )
  return result.failed ? JSON.stringify(result.counterexample) : null
}

describe("pages that follow a vCPU", () => {
  it("are its own, the hottest first, within their limits", () => {
    expect(broken(followMoves)).toBeNull()
  })

  it.each<[string, typeof followMoves]>([
    ["takes what others use as much", (pages, way, how) => followMoves(pages, way, { ...how, rules: { ...RULES, ownPercent: 51 } })],
    ["takes cold pages", (pages, way, how) => followMoves(pages, way, { ...how, rules: { ...RULES, leastMisses: 0 } })],
    ["knows no limit of frames", (pages, way) => followMoves(pages, way, { rules: RULES })],
    ["leaves the hottest behind", (pages, way, how) => followMoves(pages, way, how).slice(1)],
    ["goes back to where the vCPU came from", (pages, { from, to }, how) => followMoves(pages, { from: to, to: from }, how)],
    ["brings what is there", (pages, way, how) => followMoves(pages.map((use) => ({ ...use, home: way.from, replicas: [] })), way, how)],
  ])("a decision that %s is caught", (_, follow) => {
    expect(broken(follow)).not.toBeNull()
  }) // prettier-ignore

  it("of several, the ones with most misses of the node that it left", () => {
    const use = (page: number, reads: number[]): PageUse => ({
      page,
      home: 0,
      replicas: [],
      reads,
      writes: [0, 0],
      moves: 0,
      movedAt: null,
    })
    const pages = [use(1, [5, 0]), use(2, [50, 0]), use(3, [50, 50]), use(4, [1, 0])]
    expect(followMoves(pages, { from: 0, to: 1 })).toEqual([
      { kind: "migrate", page: 2, to: 1, gain: 50 },
      { kind: "migrate", page: 1, to: 1, gain: 5 },
    ])
  })
})
