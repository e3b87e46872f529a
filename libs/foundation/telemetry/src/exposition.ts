/**
 * Metrics as text: Prometheus text format 0.0.4, or OpenMetrics 1.0 where the reader asks for it (only that form has exemplars).
 * Formats: prometheus.io/docs/instrumenting/exposition_formats and the OpenMetrics specification.
 */
import type { Exemplar, HistogramPoint, Labels, MetricFamily } from "./metric-family.ts"

export type ExpositionFormat = "prometheus" | "openmetrics"

export const CONTENT_TYPES: Record<ExpositionFormat, string> = {
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
}

/** What an `Accept` header asks for. */
export function formatFor(accept: string | undefined): ExpositionFormat {
  return accept?.includes("application/openmetrics-text") === true ? "openmetrics" : "prometheus"
}

export function exposition(families: readonly MetricFamily[], format: ExpositionFormat): string {
  const lines = families.flatMap((family) => familyLines(family, format))
  if (format === "openmetrics") lines.push("# EOF")
  return lines.map((line) => `${line}\n`).join("")
}

function familyLines(family: MetricFamily, format: ExpositionFormat): string[] {
  const isOpen = format === "openmetrics"
  // OpenMetrics names a counter's family without the suffix that its sample must have.
  const name = isOpen && family.type === "counter" ? family.name.replace(/_total$/, "") : family.name
  const lines = [`# HELP ${name} ${escapeHelp(family.meaning)}`, `# TYPE ${name} ${family.type}`]
  if (family.type === "histogram") {
    for (const point of family.points) lines.push(...histogramLines(family.name, family.bounds, point, isOpen))
    return lines
  }
  const sample = isOpen && family.type === "counter" ? `${name}_total` : family.name
  for (const point of family.points) {
    const exemplar = isOpen && family.type === "counter" ? exemplarText(point.exemplar) : ""
    lines.push(`${sample}${labelsText(point.labels)} ${numberText(point.value)}${exemplar}`)
  }
  return lines
}

function histogramLines(name: string, bounds: readonly number[], point: HistogramPoint, withExemplars: boolean): string[] {
  const lines: string[] = []
  let cumulated = 0
  for (let bucket = 0; bucket <= bounds.length; bucket++) {
    cumulated += point.counts[bucket] ?? 0
    const bound = bounds[bucket]
    const labels = { ...point.labels, le: bound === undefined ? "+Inf" : numberText(bound) }
    lines.push(`${name}_bucket${labelsText(labels)} ${cumulated}${withExemplars ? exemplarText(point.exemplars[bucket]) : ""}`)
  }
  lines.push(`${name}_sum${labelsText(point.labels)} ${numberText(point.sum)}`)
  lines.push(`${name}_count${labelsText(point.labels)} ${cumulated}`)
  return lines
}

function exemplarText(exemplar: Exemplar | undefined): string {
  if (exemplar === undefined) return ""
  const { traceId, spanId, value, wallSeconds } = exemplar
  return ` # {trace_id="${traceId}",span_id="${spanId}"} ${numberText(value)} ${wallSeconds.toFixed(3)}`
}

function labelsText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${labelName(name)}="${escapeValue(value)}"`)
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`
}

/** Only letters, digits and underscores are allowed; `service.name` becomes `service_name`. */
export function labelName(name: string): string {
  const clean = name.replace(/[^a-zA-Z0-9_]/g, "_")
  return /^[0-9]/.test(clean) ? `_${clean}` : clean
}

function numberText(value: number): string {
  if (value === Infinity) return "+Inf"
  if (value === -Infinity) return "-Inf"
  return String(value)
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")
}

function escapeValue(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"')
}
