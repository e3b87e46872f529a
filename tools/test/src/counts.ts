/** How many tests passed, failed and were skipped, and the plain line that a machine reads at the end of a run. */

export interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

export const NO_COUNTS: Counts = { passed: 0, failed: 0, skipped: 0 }

export function addCounts(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped }
}

/** `12 passed, 0 failed`, with `, 3 skipped` only when there are any. */
export function countsLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`
}

/** Parses what `JSON.stringify(counts)` wrote; null when the run ended before it could write. */
export function parseCounts(text: string): Counts | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof value !== "object" || value === null) return null
  const { passed, failed, skipped } = value as Record<string, unknown>
  if (typeof passed !== "number" || typeof failed !== "number" || typeof skipped !== "number") return null
  return { passed, failed, skipped }
}
