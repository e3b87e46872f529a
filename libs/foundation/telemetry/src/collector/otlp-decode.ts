/** From an OTLP request, JSON or protobuf, to our spans, points and log lines. Throws `OtlpError` on anything else. */
import type { Exemplar, Labels } from "../metric-family.ts"
import type { Signal } from "../settings.ts"
import type { TraceSpan } from "../trace-span.ts"
import { decodeProtobuf } from "./otlp-protobuf.ts"
import { OtlpError, OtlpReader } from "./otlp-reader.ts"
import { KINDS, STATUS_ERROR, senderOf as senderFrom, spansOfProtobuf, type Sender } from "./otlp-spans.ts"
import type { Attributes } from "@backplane/foundation-actor/trace-context"

export type Encoding = "json" | "protobuf"

export interface OtlpBytes {
  readonly encoding: Encoding
  readonly bytes: Uint8Array
}

export interface ReceivedLog extends Sender {
  readonly wallMilliseconds: number
  readonly severity: string
  readonly text: string
  readonly attributes: Attributes
  readonly traceId: string | null
  readonly spanId: string | null
}

interface ReceivedSeries extends Sender {
  readonly name: string
  readonly unit: string
  readonly meaning: string
  readonly labels: Labels
  /** The sender tells only what was added since last time. */
  readonly isDelta: boolean
}

export type ReceivedPoint =
  | (ReceivedSeries & { readonly type: "counter" | "gauge"; readonly value: number; readonly exemplar: Exemplar | undefined })
  | (ReceivedSeries & {
      readonly type: "histogram"
      readonly bounds: readonly number[]
      readonly counts: readonly number[]
      readonly sum: number
      readonly exemplars: readonly Exemplar[]
    })

/** `AGGREGATION_TEMPORALITY_DELTA`. */
const TEMPORALITY_DELTA = 1
/** The body as bytes said it; whatever fails on the way but a field that is named fails as the body. */
function read<T>(signal: Signal, encoding: Encoding, how: () => T): T {
  try {
    return how()
  } catch (error) {
    if (error instanceof OtlpError) throw error
    throw new OtlpError("body", `is no OTLP ${encoding} request for ${signal} (${error instanceof Error ? error.message : "unreadable"})`)
  }
}

const parsed = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))

function requestOf(signal: "metrics" | "logs", { encoding, bytes }: OtlpBytes): OtlpReader {
  return new OtlpReader(
    read(signal, encoding, () => (encoding === "json" ? parsed(bytes) : decodeProtobuf(signal, bytes))),
    "",
  )
}

export function spansOf({ encoding, bytes }: OtlpBytes): readonly TraceSpan[] {
  if (encoding === "protobuf") return read("traces", encoding, () => spansOfProtobuf(bytes))
  const request = new OtlpReader(
    read("traces", encoding, () => parsed(bytes)),
    "",
  )
  return request.list("resourceSpans").flatMap((resource) => {
    const sender = senderOf(resource)
    return resource.list("scopeSpans").flatMap((scope) => scope.list("spans").map((span) => spanOf(span, sender)))
  })
}

function spanOf(span: OtlpReader, sender: Sender): TraceSpan {
  const status = span.object("status")
  const startMicros = span.micros("startTimeUnixNano")
  return {
    traceId: span.requiredId("traceId", 32),
    spanId: span.requiredId("spanId", 16),
    parentSpanId: span.id("parentSpanId", 16),
    name: span.text("name"),
    kind: KINDS[span.number("kind")] ?? "internal",
    ...sender,
    startMicros,
    endMicros: Math.max(startMicros, span.micros("endTimeUnixNano")),
    attributes: span.attributes(),
    links: span.list("links").map((link) => ({ traceId: link.requiredId("traceId", 32), spanId: link.requiredId("spanId", 16) })),
    error: status !== null && status.number("code") === STATUS_ERROR ? status.text("message") || "error" : null,
  }
}

export function pointsOf(body: OtlpBytes): readonly ReceivedPoint[] {
  return requestOf("metrics", body)
    .list("resourceMetrics")
    .flatMap((resource) => {
      const sender = senderOf(resource)
      return resource.list("scopeMetrics").flatMap((scope) => scope.list("metrics").flatMap((metric) => metricPoints(metric, sender)))
    })
}

function metricPoints(metric: OtlpReader, sender: Sender): readonly ReceivedPoint[] {
  const about = { ...sender, name: metric.text("name"), unit: metric.text("unit"), meaning: metric.text("description") }
  if (about.name === "") throw new OtlpError(`${metric.path}.name`, "is needed")
  const histogram = metric.object("histogram")
  if (histogram !== null) {
    const isDelta = histogram.number("aggregationTemporality") === TEMPORALITY_DELTA
    return histogram
      .list("dataPoints")
      .map((point) => ({ ...about, type: "histogram", isDelta, labels: labelsOf(point), ...histogramValues(point) }))
  }
  const sum = metric.object("sum")
  const source = sum ?? metric.object("gauge")
  if (source === null) return []
  const type = sum?.flag("isMonotonic") === true ? "counter" : "gauge"
  const isDelta = sum !== null && sum.number("aggregationTemporality") === TEMPORALITY_DELTA
  return source
    .list("dataPoints")
    .map((point) => ({ ...about, type, isDelta, labels: labelsOf(point), value: valueOf(point), exemplar: exemplarsOf(point)[0] }))
}

function histogramValues(point: OtlpReader): {
  bounds: readonly number[]
  counts: readonly number[]
  sum: number
  exemplars: readonly Exemplar[]
} {
  const bounds = point.numbers("explicitBounds")
  const counts = point.numbers("bucketCounts")
  if (counts.length !== 0 && counts.length !== bounds.length + 1)
    throw new OtlpError(`${point.path}.bucketCounts`, `has one more element than explicitBounds (${bounds.length + 1})`)
  return { bounds, counts, sum: point.number("sum"), exemplars: exemplarsOf(point) }
}

function exemplarsOf(point: OtlpReader): readonly Exemplar[] {
  return point.list("exemplars").flatMap((exemplar) => {
    const traceId = exemplar.id("traceId", 32)
    const spanId = exemplar.id("spanId", 16)
    if (traceId === null || spanId === null) return []
    return [{ traceId, spanId, value: valueOf(exemplar), wallSeconds: exemplar.micros("timeUnixNano") / 1e6 }]
  })
}

function valueOf(point: OtlpReader): number {
  return point.has("asInt") ? point.number("asInt") : point.number("asDouble")
}

function labelsOf(point: OtlpReader): Labels {
  return Object.fromEntries(Object.entries(point.attributes()).map(([name, value]) => [name, String(value)]))
}

export function logsOf(body: OtlpBytes): readonly ReceivedLog[] {
  return requestOf("logs", body)
    .list("resourceLogs")
    .flatMap((resource) => {
      const sender = senderOf(resource)
      return resource.list("scopeLogs").flatMap((scope) => scope.list("logRecords").map((line) => logOf(line, sender)))
    })
}

function logOf(line: OtlpReader, sender: Sender): ReceivedLog {
  const attributes = line.attributes()
  const told = line.micros("timeUnixNano")
  return {
    ...sender,
    wallMilliseconds: (told > 0 ? told : line.micros("observedTimeUnixNano")) / 1000,
    severity: line.text("severityText") || String(line.number("severityNumber")),
    text: String(line.object("body")?.any() ?? ""),
    attributes,
    traceId: line.id("traceId", 32) ?? textOrNull(attributes["trace_id"]),
    spanId: line.id("spanId", 16) ?? textOrNull(attributes["span_id"]),
  }
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null
}

function senderOf(resource: OtlpReader): Sender {
  return senderFrom(resource.object("resource")?.attributes() ?? {})
}
