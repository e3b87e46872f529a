/**
 * When something that is not answered is said again: after a while, then after twice that, up to a limit.
 *
 * A hearer that has fallen behind must not be given the more to do the longer it takes: repeats at one pace fill its inbox with copies of
 * what it is about to answer, and it never catches up, even when what held it up is long over.
 */
import type { VirtualTime } from "./virtual-time.ts"

export interface Said {
  readonly firstAt: VirtualTime
  lastAt: VirtualTime
}

/** In cycles: the least between two, and the most. */
export interface Patience {
  readonly least: number
  readonly most: number
}

/** The gap grows as the wait does: two of the least, then twice that, twice that again … */
export function isOverdue({ firstAt, lastAt }: Said, now: VirtualTime, { least, most }: Patience): boolean {
  return now - lastAt >= Math.min(most, Math.max(least, lastAt - firstAt))
}
