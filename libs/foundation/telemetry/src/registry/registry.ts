/**
 * The one list of names: spans and attributes (spans.ts), metrics (metrics.ts), events (events.ts).
 *
 * Code, dashboards and queries may use no other; registry-use.test.ts greps the tree for that. It is data: who counts and
 * exports is elsewhere.
 */
import { ATTRIBUTES, SPANS } from "./spans.ts"
import { EVENTS } from "./events.ts"
import { METRICS } from "./metrics.ts"
import type { EventEntry, MetricEntry, SpanEntry } from "./kinds.ts"

/** Spans whose name has a variable word, such as `trap {cause}`. */
const PATTERNS = Object.entries(SPANS)
  .filter(([name]) => name.includes("{"))
  .map(([name, entry]) => ({ form: new RegExp(`^${name.replace(".", "\\.").replace(/\{[a-z]+\}/, "[A-Za-z0-9{}-]+")}$`), name, entry }))

/** The entry of a span's name, `trap {cause}` for `trap ecall-u`; undefined where it is not registered. */
export function spanEntry(name: string): SpanEntry | undefined {
  return Object.hasOwn(SPANS, name) ? SPANS[name] : PATTERNS.find((pattern) => pattern.form.test(name))?.entry
}

export function metricEntry(name: string): MetricEntry | undefined {
  return Object.hasOwn(METRICS, name) ? METRICS[name] : undefined
}

/** The metric behind a Prometheus series: a histogram has `_bucket`, `_sum` and `_count`. */
export function metricOfSeries(series: string): MetricEntry | undefined {
  const direct = metricEntry(series)
  if (direct !== undefined) return direct
  const family = metricEntry(series.replace(/_(bucket|sum|count)$/, ""))
  return family?.type === "histogram" ? family : undefined
}

export function eventEntry(name: string): EventEntry | undefined {
  return Object.hasOwn(EVENTS, name) ? EVENTS[name] : undefined
}

export function isRegisteredAttribute(name: string): boolean {
  return Object.hasOwn(ATTRIBUTES, name)
}

/** Names of flows that `backplane trace last <flow>` knows, with the spans that identify each. */
export function flows(): ReadonlyMap<string, readonly string[]> {
  const byFlow = new Map<string, string[]>()
  for (const [name, entry] of Object.entries(SPANS)) {
    for (const flow of entry.flows ?? []) byFlow.set(flow, [...(byFlow.get(flow) ?? []), name])
  }
  return byFlow
}
