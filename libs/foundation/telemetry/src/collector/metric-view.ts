/**
 * The newest value of every series that any service told, for one `/metrics` of the whole stack.
 *
 * Who told it becomes the labels `job` (service.name) and `instance` (service.instance.id), as Prometheus names them. A
 * series that nobody has told for a while is gone, so that a killed service does not haunt the page.
 */
import { labelName } from "../exposition.ts"
import { labelsKey, type Exemplar, type HistogramPoint, type Labels, type MetricFamily, type NumberPoint } from "../metric-family.ts"
import type { ReceivedPoint } from "./otlp-decode.ts"

export interface MetricLimits {
  readonly seriesMax: number
  readonly ageMaxMs: number
}

const METRIC_LIMITS: MetricLimits = { seriesMax: 50_000, ageMaxMs: 5 * 60_000 }

interface Series {
  readonly family: string
  readonly labels: Labels
  point: ReceivedPoint
  heardAt: number
}

export class MetricView {
  readonly #limits: MetricLimits
  readonly #onDrop: (reason: "series-limit" | "type-conflict" | "age", points: number) => void
  readonly #series = new Map<string, Series>()
  /** The first type told for a name stays while it has series: a page with two types for one name cannot be read. */
  readonly #types = new Map<string, { readonly type: ReceivedPoint["type"]; series: number }>()

  constructor(
    limits: Partial<MetricLimits> = {},
    onDrop: (reason: "series-limit" | "type-conflict" | "age", points: number) => void = () => undefined,
  ) {
    this.#limits = { ...METRIC_LIMITS, ...limits }
    this.#onDrop = onDrop
  }

  get series(): number {
    return this.#series.size
  }

  add(points: readonly ReceivedPoint[], now: number): void {
    for (const point of points) this.#addOne(point, now)
    this.expire(now)
  }

  expire(now: number): void {
    for (const [key, series] of this.#series) {
      if (now - series.heardAt <= this.#limits.ageMaxMs) continue
      this.#series.delete(key)
      const family = this.#types.get(series.family)
      if (family !== undefined && --family.series === 0) this.#types.delete(series.family)
      this.#onDrop("age", 1)
    }
  }

  /** By name; `own` are the families of this process, which win over the same series received. */
  families(own: readonly MetricFamily[] = []): readonly MetricFamily[] {
    const byName = new Map<string, Series[]>()
    for (const series of this.#series.values()) byName.set(series.family, [...(byName.get(series.family) ?? []), series])
    const received = [...byName].map(([name, series]) => familyOf(name, series))
    return merged([...own, ...received]).sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  #addOne(point: ReceivedPoint, now: number): void {
    const family = familyName(point)
    const typed = this.#types.get(family) ?? { type: point.type, series: 0 }
    if (typed.type !== point.type) return this.#onDrop("type-conflict", 1)
    const labels = { ...cleanLabels(point.labels), job: point.service, instance: point.instance }
    const key = `${family}{${labelsKey(labels)}}`
    const known = this.#series.get(key)
    if (known !== undefined) {
      known.point = point.isDelta ? added(known.point, point) : point
      known.heardAt = now
      return
    }
    if (this.#series.size >= this.#limits.seriesMax) return this.#onDrop("series-limit", 1)
    typed.series++
    this.#types.set(family, typed)
    this.#series.set(key, { family, labels, point, heardAt: now })
  }
}

/** Prometheus allows letters, digits, underscores and colons, and wants `_total` on a counter. */
function familyName(point: ReceivedPoint): string {
  const clean = labelName(point.name)
  return point.type === "counter" && !clean.endsWith("_total") ? `${clean}_total` : clean
}

function cleanLabels(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [labelName(name), value]))
}

function added(before: ReceivedPoint, more: ReceivedPoint): ReceivedPoint {
  if (before.type === "histogram" && more.type === "histogram") {
    const counts = more.counts.map((count, bucket) => count + (before.counts[bucket] ?? 0))
    return { ...more, counts, sum: before.sum + more.sum }
  }
  if (before.type === "histogram" || more.type === "histogram") return more
  return { ...more, value: before.value + more.value, exemplar: more.exemplar ?? before.exemplar }
}

function familyOf(name: string, series: readonly Series[]): MetricFamily {
  const first = series[0]?.point
  const about = { name, unit: first?.unit ?? "", meaning: first?.meaning ?? "" }
  if (first?.type === "histogram") {
    const points: HistogramPoint[] = series.flatMap(({ labels, point }) =>
      point.type === "histogram" && sameBounds(point.bounds, first.bounds)
        ? [{ labels, counts: point.counts, sum: point.sum, exemplars: inBuckets(point.exemplars, point.bounds) }]
        : [],
    )
    return { ...about, type: "histogram", bounds: first.bounds, points }
  }
  const points: NumberPoint[] = series.flatMap(({ labels, point }) =>
    point.type === "histogram" ? [] : [{ labels, value: point.value, exemplar: point.exemplar }],
  )
  return { ...about, type: first?.type ?? "gauge", points }
}

function sameBounds(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((bound, index) => bound === b[index])
}

function inBuckets(exemplars: readonly Exemplar[], bounds: readonly number[]): (Exemplar | undefined)[] {
  const buckets: (Exemplar | undefined)[] = []
  for (const exemplar of exemplars) {
    const above = bounds.findIndex((bound) => exemplar.value <= bound)
    buckets[above < 0 ? bounds.length : above] = exemplar
  }
  return buckets
}

function merged(families: readonly MetricFamily[]): MetricFamily[] {
  const byName = new Map<string, MetricFamily>()
  for (const family of families) {
    const known = byName.get(family.name)
    if (known === undefined) byName.set(family.name, family)
    else byName.set(family.name, withPoints(known, family))
  }
  return [...byName.values()]
}

function withPoints(known: MetricFamily, more: MetricFamily): MetricFamily {
  const keys = new Set(known.points.map((point) => labelsKey(point.labels)))
  if (known.type === "histogram" && more.type === "histogram")
    return { ...known, points: [...known.points, ...more.points.filter((point) => !keys.has(labelsKey(point.labels)))] }
  if (known.type === "histogram" || more.type === "histogram") return known
  return { ...known, points: [...known.points, ...more.points.filter((point) => !keys.has(labelsKey(point.labels)))] }
}

/** The families with the sender's labels added, as `add` would label them. */
export function labelled(
  families: readonly MetricFamily[],
  sender: { readonly service: string; readonly instance: string },
): readonly MetricFamily[] {
  const also = { job: sender.service, instance: sender.instance }
  return families.map((family): MetricFamily => {
    if (family.type === "histogram")
      return { ...family, points: family.points.map((point) => ({ ...point, labels: { ...point.labels, ...also } })) }
    return { ...family, points: family.points.map((point) => ({ ...point, labels: { ...point.labels, ...also } })) }
  })
}
