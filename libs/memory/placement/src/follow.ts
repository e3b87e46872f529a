/**
 * Which pages go along when a vCPU has moved to another node: the decision alone, pure.
 *
 * Counters find out by themselves, an interval or two later and miss by miss; whoever moves a vCPU knows at once. A page follows where it was the
 * vCPU's own: the node that it left had most of all misses on it. What others use as much stays, and counters decide, as ever (decide-moves.ts).
 * The hottest go first, at most so many: the vCPU waits for none of them, and what is not worth a move is fetched when it is touched.
 * Not here: whether pages should follow at all. For a vCPU that comes back soon, a move there and a move back are dearer than a few far misses.
 */
import { assert } from "@backplane/foundation-base/assert"
import type { PageMove, PageUse } from "./decide-moves.ts"

export interface Follow {
  readonly from: number
  readonly to: number
}

export interface FollowRules {
  /** Misses of the node that it left, from which a page is worth a move. */
  readonly leastMisses: number
  /** Share of all misses on the page that this node must have had, percent; above 50. */
  readonly ownPercent: number
  readonly pagesMax: number
}

export const FOLLOW_RULES: FollowRules = { leastMisses: 2, ownPercent: 75, pagesMax: 512 }

/** Moves, the most useful first; ties by page. `uses`: misses of late, by node. `framesFree`: of the node that it came to. */
export function followMoves(
  uses: readonly PageUse[],
  { from, to }: Follow,
  { rules = FOLLOW_RULES, framesFree = Infinity }: { readonly rules?: FollowRules; readonly framesFree?: number } = {},
): readonly PageMove[] {
  assert(rules.ownPercent > 50, "two nodes cannot both have most of a page")
  if (from === to) return []
  const moves = uses.flatMap((use): PageMove[] => {
    const { page, home, replicas, reads, writes } = use
    const misses = (node: number): number => (reads[node] ?? 0) + (writes[node] ?? 0)
    const total = reads.reduce((sum, _, node) => sum + misses(node), 0)
    const own = misses(from)
    if (home === to || replicas.includes(to)) return []
    if (own < rules.leastMisses || own * 100 < total * rules.ownPercent) return []
    return [{ kind: "migrate", page, to, gain: own }]
  })
  return moves.sort((a, b) => b.gain - a.gain || a.page - b.page).slice(0, Math.max(0, Math.min(rules.pagesMax, framesFree)))
}
