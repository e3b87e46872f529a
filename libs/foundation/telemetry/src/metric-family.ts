/** One metric with all its series: the form that our own store, the collector and the text exposition share. */
import type { MetricType } from "./registry/kinds.ts"

export type Labels = Readonly<Record<string, string>>

/** The last value that came with a trace, so that a reader can go from a number to an example. */
export interface Exemplar {
  readonly traceId: string
  readonly spanId: string
  readonly value: number
  /** Seconds since 1970. */
  readonly wallSeconds: number
}

export interface NumberPoint {
  readonly labels: Labels
  readonly value: number
  readonly exemplar?: Exemplar | undefined
}

export interface HistogramPoint {
  readonly labels: Labels
  /** One more than the bounds; not cumulated. */
  readonly counts: readonly number[]
  readonly sum: number
  readonly exemplars: readonly (Exemplar | undefined)[]
}

export type MetricFamily =
  | {
      readonly name: string
      readonly type: "counter" | "gauge"
      readonly unit: string
      readonly meaning: string
      readonly points: readonly NumberPoint[]
    }
  | {
      readonly name: string
      readonly type: "histogram"
      readonly unit: string
      readonly meaning: string
      readonly bounds: readonly number[]
      readonly points: readonly HistogramPoint[]
    }

export type { MetricType }

/** Equal labels give equal text, whatever the order they were written in. */
export function labelsKey(labels: Labels): string {
  return Object.keys(labels)
    .sort((a, b) => (a < b ? -1 : 1))
    .map((name) => `${name}=${JSON.stringify(labels[name])}`)
    .join(",")
}
