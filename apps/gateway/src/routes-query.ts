/** Questions about what the collector keeps: traces, services, log lines, metrics. All of them only read. */
import { Hono, type Context } from "hono"
import type { Collector } from "@backplane/foundation-telemetry/collector/collector"
import { CONTENT_TYPES, formatFor } from "@backplane/foundation-telemetry/exposition"
import { isArriving, isPlayed, lastTrace, renderTrace } from "@backplane/foundation-telemetry/trace-tree"
import type { TraceSpan } from "@backplane/foundation-telemetry/trace-span"
import { Problem } from "./problem.ts"

const LIMIT_DEFAULT = 50
const LIMIT_MAX = 1000
/** Of one answer with the spans of a machine. */
const SPANS_MAX = 50_000

/** Of an answer with a trace of which parts may still come: ask again. */
const ARRIVING = "backplane-trace-arriving"
/** Of one with a trace that a visitor asked for: one of a user may still come. */
const PLAYED = "backplane-trace-played"

/** `now`: milliseconds of the wall. */
export function queryRoutes(collector: Collector, now: () => number): Hono {
  const routes = new Hono()
  routes.get("/api/traces", (context) => {
    const { root, service, span, attribute } = context.req.query()
    return context.json({ traces: collector.traces.search({ root, service, span, attribute: pairOf(attribute), limit: limitOf(context) }) })
  })
  routes.get("/api/traces/last/:flow", (context) => {
    const found = lastTrace([...collector.traces.all()], context.req.param("flow"))
    if (found.kind === "none") throw notFound("flow", found.reason)
    if (isArriving(found.spans, now() * 1000)) context.header(ARRIVING, "true")
    if (isPlayed(found.spans)) context.header(PLAYED, "true")
    return traceAnswer(context, found.spans)
  })
  routes.get("/api/traces/:id", (context) => {
    const id = context.req.param("id").toLowerCase()
    if (!/^[0-9a-f]{32}$/.test(id))
      throw new Problem({ status: 400, title: "Bad request", detail: `${id} is no trace id`, field: "id", remedy: "32 hexadecimal digits" })
    const spans = collector.traces.trace(id)
    if (spans.length === 0) throw notFound("id", `trace ${id} is not here (any more); the collector keeps the last minutes`)
    return traceAnswer(context, spans)
  })
  routes.get("/api/spans", (context) => {
    const machine = context.req.query("machine") ?? ""
    if (machine === "")
      throw new Problem({ status: 400, title: "Bad request", detail: "no machine is named", field: "machine", remedy: "?machine=demo" })
    const spans = [...collector.traces.all()].filter((span) => span.attributes["backplane.machine"] === machine)
    return context.json({ spans: spans.slice(-SPANS_MAX), dropped: Math.max(0, spans.length - SPANS_MAX) })
  })
  routes.get("/api/services", (context) => context.json({ services: collector.services() }))
  routes.get("/api/logs", (context) => {
    const { service, trace, level } = context.req.query()
    if (level !== undefined && level !== "warn")
      throw new Problem({ status: 400, title: "Bad request", detail: `level is ${level}`, field: "level", remedy: "warn, or leave it out" })
    return context.json({ logs: collector.logs({ service, traceId: trace, isWarning: level === "warn", limit: limitOf(context) }) })
  })
  routes.get("/metrics", (context) => {
    const format = formatFor(context.req.header("accept"))
    return context.body(collector.metricsText(format, now(), context.req.query("prefix")), 200, { "content-type": CONTENT_TYPES[format] })
  })
  return routes
}

/** JSON, or the tree as text where the caller prefers that (`Accept: text/plain`). */
function traceAnswer(context: Context, spans: readonly TraceSpan[]): Response {
  if (context.req.header("accept")?.startsWith("text/plain") === true) return context.text(renderTrace(spans))
  return context.json({ traceId: spans[0]?.traceId, spans })
}

/** `backplane.task=j7`. */
function pairOf(text: string | undefined): readonly [string, string] | undefined {
  if (text === undefined) return undefined
  const at = text.indexOf("=")
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
  throw new Problem({
    status: 400,
    title: "Bad request",
    detail: `attribute is ${text}`,
    field: "attribute",
    remedy: "name=value, for example backplane.task=j7",
  })
}

function limitOf(context: Context): number {
  const text = context.req.query("limit")
  if (text === undefined) return LIMIT_DEFAULT
  const limit = Number(text)
  if (/^\d+$/.test(text) && limit >= 1 && limit <= LIMIT_MAX) return limit
  throw new Problem({
    status: 400,
    title: "Bad request",
    detail: `limit is ${text}`,
    field: "limit",
    remedy: `a whole number from 1 to ${LIMIT_MAX}`,
  })
}

function notFound(field: string, detail: string): Problem {
  return new Problem({ status: 404, title: "Not found", detail, field })
}
