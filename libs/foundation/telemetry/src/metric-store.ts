/**
 * The numbers of this process, by registered name: counters, gauges, histograms with exemplars.
 *
 * One store feeds both ways out: the text exposition (exposition.ts) and OTLP (metric-producer.ts). An unregistered name
 * is a bug of ours and fails loudly; an unexpected label value is the world's and is bounded: a metric has at most
 * `SERIES_MAX` series, the rest goes into one marked `otel_metric_overflow`.
 */
import { assert } from "@backplane/foundation-base/assert"
import type { Exemplar, HistogramPoint, Labels, MetricFamily, NumberPoint } from "./metric-family.ts"
import { METRICS } from "./registry/metrics.ts"
import { metricEntry } from "./registry/registry.ts"
import type { MetricEntry, MetricType } from "./registry/kinds.ts"

export const SERIES_MAX = 2000
const OVERFLOW: Labels = { otel_metric_overflow: "true" }
const OVERFLOW_KEY = "overflow"

interface NumberSeries {
  readonly labels: Labels
  value: number
  exemplar: Exemplar | undefined
}

interface HistogramSeries {
  readonly labels: Labels
  readonly counts: number[]
  sum: number
  readonly exemplars: (Exemplar | undefined)[]
}

export class MetricStore {
  readonly #numbers = new Map<string, Map<string, NumberSeries>>()
  readonly #histograms = new Map<string, Map<string, HistogramSeries>>()

  /** Adds to a counter. */
  count(name: string, labels: Labels, options: { readonly by?: number; readonly exemplar?: Exemplar | undefined } = {}): void {
    const by = options.by ?? 1
    const entry = this.#entry(name, "counter")
    assert(by >= 0, `counter ${name} only grows`)
    const series = this.#number(name, entry, labels)
    series.value += by
    series.exemplar = options.exemplar ?? series.exemplar
  }

  /** Tells a counter what somebody else counted since the process began. A smaller number than before changes nothing. */
  total(name: string, labels: Labels, total: number): void {
    const series = this.#number(name, this.#entry(name, "counter"), labels)
    series.value = Math.max(series.value, total)
  }

  /** Sets a gauge. */
  set(name: string, labels: Labels, value: number): void {
    this.#number(name, this.#entry(name, "gauge"), labels).value = value
  }

  /** Adds one observation to a histogram. */
  observe(name: string, labels: Labels, value: number, exemplar?: Exemplar): void {
    const entry = this.#entry(name, "histogram")
    const bounds = entry.bounds ?? []
    const series = this.#histogram(name, entry, labels)
    const above = bounds.findIndex((bound) => value <= bound)
    const bucket = above < 0 ? bounds.length : above
    series.counts[bucket] = (series.counts[bucket] ?? 0) + 1
    series.sum += value
    if (exemplar !== undefined) series.exemplars[bucket] = exemplar
  }

  /** Drops all series with that label: what they counted is over. */
  forget(label: string, value: string): void {
    for (const families of [this.#numbers, this.#histograms])
      for (const family of families.values()) for (const [key, { labels }] of family) if (labels[label] === value) family.delete(key)
  }

  /** Everything that has a value, in the registry's order; series in the order of their first value. */
  families(): readonly MetricFamily[] {
    return Object.entries(METRICS).flatMap(([name, entry]): readonly MetricFamily[] => {
      const about = { name, unit: entry.unit, meaning: entry.meaning }
      if (entry.type === "histogram") {
        const points: HistogramPoint[] = [...(this.#histograms.get(name)?.values() ?? [])].map((series) => ({
          ...series,
          counts: [...series.counts],
        }))
        return points.length === 0 ? [] : [{ ...about, type: "histogram", bounds: entry.bounds ?? [], points }]
      }
      const points: NumberPoint[] = [...(this.#numbers.get(name)?.values() ?? [])].map((series) => ({ ...series }))
      return points.length === 0 ? [] : [{ ...about, type: entry.type, points }]
    })
  }

  #entry(name: string, type: MetricType): MetricEntry {
    const entry = metricEntry(name)
    assert(entry !== undefined, `metric ${name} is in the registry`)
    assert(entry.type === type, `metric ${name} is a ${entry.type}, not a ${type}`)
    return entry
  }

  #number(name: string, entry: MetricEntry, labels: Labels): NumberSeries {
    return seriesOf(this.#numbers, { name, entry, labels }, (own) => ({ labels: own, value: 0, exemplar: undefined }))
  }

  #histogram(name: string, entry: MetricEntry, labels: Labels): HistogramSeries {
    const buckets = (entry.bounds?.length ?? 0) + 1
    return seriesOf(this.#histograms, { name, entry, labels }, (own) => ({
      labels: own,
      counts: new Array<number>(buckets).fill(0),
      sum: 0,
      exemplars: [],
    }))
  }
}

interface Place {
  readonly name: string
  readonly entry: MetricEntry
  readonly labels: Labels
}

function seriesOf<Series>(all: Map<string, Map<string, Series>>, place: Place, make: (labels: Labels) => Series): Series {
  let family = all.get(place.name)
  if (family === undefined) {
    family = new Map()
    all.set(place.name, family)
  }
  const key = keyOf(place.entry, place.labels)
  const known = family.get(key)
  if (known !== undefined) return known
  for (const label of Object.keys(place.labels)) assert(place.entry.labels.includes(label), `metric ${place.name} has the label ${label}`)
  const isFull = family.size >= SERIES_MAX
  const overflow = isFull ? family.get(OVERFLOW_KEY) : undefined
  if (overflow !== undefined) return overflow
  const series = make(isFull ? OVERFLOW : place.labels)
  family.set(isFull ? OVERFLOW_KEY : key, series)
  return series
}

/** The values in the registry's order: the same for the same labels in any order. A missing label is not an empty one. */
function keyOf(entry: MetricEntry, labels: Labels): string {
  let key = ""
  for (const label of entry.labels) {
    const value = labels[label]
    key += value === undefined ? "\u0001" : `${value}\u0000`
  }
  return key
}
