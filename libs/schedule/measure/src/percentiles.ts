/** Percentiles by the nearest rank: always a value that occurred. */

export interface Distribution {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly most: number
}

/** All zeros where there is nothing. */
export function distributionOf(values: readonly number[]): Distribution {
  const sorted = [...values].sort((a, b) => a - b)
  return {
    count: sorted.length,
    p50: ranked(sorted, 0.5),
    p99: ranked(sorted, 0.99),
    p999: ranked(sorted, 0.999),
    most: sorted.at(-1) ?? 0,
  }
}

/** `sorted` is ascending. */
export function ranked(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

/** The middle half: third quartile less first. */
export function spread(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return ranked(sorted, 0.75) - ranked(sorted, 0.25)
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}
