/** Counts by writer: a map that only grows, joined by the greater. */
import { compareText } from "@backplane/foundation-base/json"

export type Counts = { readonly [writer: string]: number }

export function joinCounts(a: Counts, b: Counts): Counts {
  const joined: Record<string, number> = {}
  const writers = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort(compareText)
  for (const writer of writers) joined[writer] = Math.max(a[writer] ?? 0, b[writer] ?? 0)
  return joined
}

export function sumOf(counts: Counts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}
