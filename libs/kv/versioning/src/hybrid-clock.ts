/**
 * A hybrid logical clock in one whole number: physical time where that is ahead, else one more than all that was seen.
 *
 * Goal: if an event could have caused another, its time is smaller, whatever the hosts' clocks say; and times stay near the wall
 * clock, so that "last" means to people what it says. Kulkarni and others ("Logical Physical Clocks", 2014) keep two parts; with
 * microseconds as the unit one part does: a host makes fewer than a million events a second.
 * Limits: a host whose clock runs ahead drags the others with it; times further ahead than DRIFT_MAX are therefore refused.
 */

/** How far ahead of the own clock a time may lie that comes from outside: an hour of microseconds. */
export const DRIFT_MAX_MICROSECONDS = 3_600_000_000

/** The time of the next event here. */
export function nextTick(last: number, physical: number): number {
  return Math.max(last + 1, physical)
}

/** What `last` becomes when an event of `seen` is heard of. */
export function observed(last: number, seen: number): number {
  return Math.max(last, seen)
}

/** True where `seen` cannot be honest: its host's clock is too far ahead, or somebody made it up. */
export function isTooFarAhead(seen: number, physical: number): boolean {
  return seen > physical + DRIFT_MAX_MICROSECONDS
}
