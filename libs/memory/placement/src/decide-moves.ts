/**
 * Which pages should move, and where to, by who missed on them: the decision alone, pure; who counts and who carries it out are others.
 *
 * Goal: misses served by the node's own memory. Terms: a *use* is what each node missed on a page in one interval; a page is *hot* when
 * that is enough to pay for a move. Procedure, as Disco's (Bugnion, Devine, Rosenblum, SOSP 1997, section 4.2):
 * a hot page that one node uses moves there; a hot page that is nearly only read gets a copy on each node that reads it much; one that
 * several nodes write stays, since wherever it lay others would be remote. The number of moves in an interval is limited, and a page
 * that moves often waits longer each time.
 * Limits: looks at one interval; a page shared by two nodes half and half stays where it is, which is as good as any other place.
 */
import { assert } from "@backplane/foundation-base/assert"

/** One page, and what each node missed on it in the interval. Nodes are indices. */
export interface PageUse {
  readonly page: number
  /** Where its frame lies. */
  readonly home: number
  /** Nodes with a copy of their own, home not among them. */
  readonly replicas: readonly number[]
  /** Misses that read, by node. */
  readonly reads: readonly number[]
  /** Misses that wrote, upgrades included, by node. */
  readonly writes: readonly number[]
  /** How often it has moved or been copied so far, and the interval of the last time; null: never. */
  readonly moves: number
  readonly movedAt: number | null
}

export interface PlacementRules {
  /** Misses in an interval from which a page is hot. */
  readonly hotMisses: number
  /** From a node, to get a copy. */
  readonly replicateMisses: number
  /** Share of all misses that one node must have for the page to move there, percent; above 50. */
  readonly migratePercent: number
  /** Up to this share of writes, in percent, a page counts as only read. */
  readonly readMostlyPercent: number
  /** Moves and copies of one interval. */
  readonly movesMax: number
  /** Intervals that a page rests after its first move; twice as many after each further one, 64 times at most. */
  readonly restIntervals: number
}

export const PLACEMENT_RULES: PlacementRules = {
  hotMisses: 64,
  replicateMisses: 32,
  migratePercent: 75,
  readMostlyPercent: 1,
  movesMax: 512,
  restIntervals: 2,
}

export type PageMove =
  /** The frame goes to another node; copies, if there are any, are given up. */
  | { readonly kind: "migrate"; readonly page: number; readonly to: number; readonly gain: number }
  /** Each of these nodes gets a copy, read-only until the next write. */
  | { readonly kind: "replicate"; readonly page: number; readonly on: readonly number[]; readonly gain: number }
  /** Copies are given up: the page is written now. */
  | { readonly kind: "collapse"; readonly page: number; readonly gain: number }

export interface Interval {
  /** Its number; only grows. */
  readonly interval: number
  /** Frames that each node could still take; absent: as many as wanted. */
  readonly framesFree?: readonly number[]
}

/** The moves of one interval, the most useful first; ties by page. `gain`: remote misses that would have been local. */
export function decideMoves(uses: readonly PageUse[], rules: PlacementRules, { interval, framesFree }: Interval): readonly PageMove[] {
  assert(rules.migratePercent > 50, "two nodes cannot both have most of a page")
  const wanted = uses.flatMap((use) => decideOne(use, rules, interval) ?? [])
  wanted.sort((a, b) => b.gain - a.gain || a.page - b.page)
  const free = framesFree === undefined ? null : [...framesFree]
  const moves: PageMove[] = []
  let left = rules.movesMax
  for (const move of wanted) {
    const fitting = fit(move, free, left)
    if (fitting === null) continue
    left -= framesOf(fitting).length
    moves.push(fitting)
  }
  return moves
}

/** Misses that neither the page's home nor a copy served. */
export function remoteMisses({ home, replicas, reads, writes }: PageUse): number {
  return reads.reduce((sum, read, node) => sum + (node === home ? 0 : (replicas.includes(node) ? 0 : read) + (writes[node] ?? 0)), 0)
}

function decideOne(use: PageUse, rules: PlacementRules, interval: number): PageMove | null {
  const { page, home, replicas, reads, writes } = use
  const byNode = reads.map((read, node) => read + (writes[node] ?? 0))
  const total = sum(byNode)
  const written = sum(writes)
  if (total < rules.hotMisses) return null
  const readMostly = written * 100 <= total * rules.readMostlyPercent
  // Giving copies up is never put off: each write to them is dear.
  if (!readMostly && replicas.length > 0) return { kind: "collapse", page, gain: written }
  if (use.movedAt !== null && interval - use.movedAt <= rules.restIntervals * 2 ** Math.min(6, Math.max(0, use.moves - 1))) return null
  const most = byNode.indexOf(Math.max(...byNode))
  const onlyOne = (byNode[most] ?? 0) * 100 >= total * rules.migratePercent
  if (onlyOne) {
    if (most === home || replicas.includes(most)) return null
    return { kind: "migrate", page, to: most, gain: (byNode[most] ?? 0) - (byNode[home] ?? 0) }
  }
  if (!readMostly) return null
  const on = reads.flatMap((read, node) => (node !== home && !replicas.includes(node) && read >= rules.replicateMisses ? [node] : []))
  return on.length === 0 ? null : { kind: "replicate", page, on, gain: sum(on.map((node) => reads[node] ?? 0)) }
}

/** As much of a move as frames and the limit allow; null: nothing of it. Takes the frames. */
function fit(move: PageMove, free: number[] | null, left: number): PageMove | null {
  const frames = framesOf(move)
  const on = frames.filter((node) => free === null || (free[node] ?? 0) > 0).slice(0, left)
  if (move.kind !== "collapse" && on.length === 0) return null
  if (free !== null) for (const node of on) free[node] = (free[node] ?? 0) - 1
  return move.kind === "replicate" ? { ...move, on } : move
}

/** Nodes on which a frame is taken. */
function framesOf(move: PageMove): readonly number[] {
  return move.kind === "migrate" ? [move.to] : move.kind === "replicate" ? move.on : []
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
