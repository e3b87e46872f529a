/**
 * Counts by writer: a map that only grows, joined by the greater.
 *
 * What a request counted a second time, at another coordinator, is taken back by an entry of its own, which never changes: negative, under the name of
 * the event, which is no writer's.
 */
import { compareText } from "@backplane/foundation-base/json"
import type { Dot } from "@backplane/kv-contract/versions"

export type Counts = { readonly [writer: string]: number }

export function joinCounts(a: Counts, b: Counts): Counts {
  const joined: Record<string, number> = {}
  const writers = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort(compareText)
  for (const writer of writers) joined[writer] = Math.max(a[writer] ?? -Infinity, b[writer] ?? -Infinity)
  return joined
}

/** The entry that takes `amount` (above 0) of the event back. */
export function takenBack([writer, time]: Dot, amount: number): Counts {
  return { [`${writer}#${time}`]: -amount }
}

export function sumOf(counts: Counts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}
