/** What is wrong with one PromQL or TraceQL query: its grammar by the makers' own parsers, its names by the registry. */
import { parser as promqlParser } from "@prometheus-io/lezer-promql"
import { parser as traceqlParser } from "@grafana/lezer-traceql"
import type { Tree } from "@lezer/common"
import { isRegisteredAttribute, metricOfSeries, spanEntry } from "@backplane/foundation-telemetry/registry/registry"
import { SPANS } from "@backplane/foundation-telemetry/registry/spans"

/** Labels that the scraper or the collector adds, and the bound of a histogram's bucket. */
const COMMON_LABELS = ["job", "instance", "le"]
/** Attributes of OpenTelemetry's resource, which our registry does not own. */
const SPAN_NAMES = Object.keys(SPANS)
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
  const forms = [...query.matchAll(/\bname\s*=~\s*"([^"]*)"/g)].map(([, form]) => form ?? "")
  return [
    ...forms.filter((form) => !SPAN_NAMES.some((name) => matches(form, name))).map((form) => `no span of the registry matches ${form}`),
    ...attributes
      .filter((name) => !isRegisteredAttribute(name) && !RESOURCE_ATTRIBUTES.includes(name))
      .map((name) => `attribute ${name} is not in the registry`),
    ...names.filter((name) => spanEntry(name) === undefined).map((name) => `span ${name} is not in the registry`),
  ]
}

/** The spans that a TraceQL query asks for by name; `name =~ "trap .*"` as the registry's `trap {cause}`, told by its first word. */
export function spansOf(query: string): readonly string[] {
  const exact = [...query.matchAll(/\bname\s*=\s*"([^"]*)"/g)].map(([, name]) => name ?? "")
  const patterns = [...query.matchAll(/\bname\s*=~\s*"([^"]*)"/g)].flatMap(([, form]) =>
    SPAN_NAMES.filter((name) => matches(form ?? "", name)),
  )
  return [...exact, ...patterns]
}

/** As Tempo does, the whole name; the variable word of a registered name is any word. */
function matches(form: string, name: string): boolean {
  return new RegExp(`^(?:${form})$`).test(name.replace(/\{\w+\}/, "x"))
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
