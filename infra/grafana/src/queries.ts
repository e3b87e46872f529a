/** What is wrong with one PromQL or TraceQL query: its grammar by the makers' own parsers, its names by the registry. */
import { parser as promqlParser } from "@prometheus-io/lezer-promql"
import { parser as traceqlParser } from "@grafana/lezer-traceql"
import type { Tree } from "@lezer/common"
import { isRegisteredAttribute, metricOfSeries, spanEntry } from "@backplane/foundation-telemetry/registry/registry"

/** Labels that the scraper or the collector adds, and the bound of a histogram's bucket. */
const COMMON_LABELS = ["job", "instance", "le"]
/** Attributes of OpenTelemetry's resource, which our registry does not own. */
const RESOURCE_ATTRIBUTES = ["service.name", "service.instance.id"]

export function promqlFindings(expression: string): readonly string[] {
  const query = withoutVariables(expression)
  const tree = promqlParser.parse(query)
  const error = firstError(tree, query)
  if (error !== null) return [`PromQL: ${error}`]
  const series = seriesOf(expression)
  const known = series.flatMap((name) => metricOfSeries(name) ?? [])
  const labels = new Set([...COMMON_LABELS, ...known.flatMap((metric) => metric.labels)])
  return [
    ...series.filter((name) => metricOfSeries(name) === undefined).map((name) => `metric ${name} is not in the registry`),
    ...textsAt(tree, query, (name) => name === "LabelName")
      .filter((label) => !labels.has(label))
      .map((label) => `label ${label} is none of ${series.join(", ")}`),
  ]
}

/** The series that a query asks for: what `/metrics` of a real run must contain. */
export function seriesOf(expression: string): readonly string[] {
  const query = withoutVariables(expression)
  return textsAt(promqlParser.parse(query), query, (name, parent) => name === "Identifier" && parent === "VectorSelector")
}

export function traceqlFindings(query: string): readonly string[] {
  const tree = traceqlParser.parse(query)
  const error = firstError(tree, query)
  if (error !== null) return [`TraceQL: ${error}`]
  const attributes = textsAt(tree, query, (name, parent) => name === "Identifier" && parent === "AttributeField")
  const names = [...query.matchAll(/\bname\s*=\s*"([^"]*)"/g)].map(([, name]) => name ?? "")
  return [
    ...attributes
      .filter((name) => !isRegisteredAttribute(name) && !RESOURCE_ATTRIBUTES.includes(name))
      .map((name) => `attribute ${name} is not in the registry`),
    ...names.filter((name) => spanEntry(name) === undefined).map((name) => `span ${name} is not in the registry`),
  ]
}

/** Grafana puts these in before Prometheus sees them; a stand-in of the same kind keeps the grammar. */
function withoutVariables(expression: string): string {
  return expression.replaceAll("$__rate_interval", "1m").replaceAll("$__interval", "1m").replaceAll("$__range", "1h")
}

function firstError(tree: Tree, query: string): string | null {
  let at: number | null = null
  tree.iterate({
    enter: (node) => {
      if (node.type.isError) at ??= node.from
    },
  })
  if (query.trim() === "") return "the query is empty"
  return at === null ? null : `cannot be read from character ${at}: ${query}`
}

function textsAt(tree: Tree, query: string, isWanted: (name: string, parent: string | undefined) => boolean): readonly string[] {
  const found: string[] = []
  tree.iterate({
    enter: (node) => {
      if (isWanted(node.name, node.node.parent?.name)) found.push(query.slice(node.from, node.to))
    },
  })
  return [...new Set(found)]
}
