/** A `TraceSpan` in the form that OpenTelemetry's exporters take, with our own ids. */
import { SpanKind, SpanStatusCode, TraceFlags, type HrTime, type SpanContext } from "@opentelemetry/api"
import type { Resource } from "@opentelemetry/resources"
import type { ReadableSpan } from "@opentelemetry/sdk-trace"
import type { SpanKindWord, TraceSpan } from "./trace-span.ts"

const KINDS: Record<SpanKindWord, SpanKind> = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
}

const SCOPE = { name: "backplane" }

export function readableSpan(span: TraceSpan, resource: Resource): ReadableSpan {
  const own = contextOf(span.traceId, span.spanId, false)
  return {
    name: span.name,
    kind: KINDS[span.kind],
    spanContext: () => own,
    ...(span.parentSpanId === null ? {} : { parentSpanContext: contextOf(span.traceId, span.parentSpanId, true) }),
    startTime: hrTime(span.startMicros),
    endTime: hrTime(span.endMicros),
    duration: hrTime(span.endMicros - span.startMicros),
    status: span.error === null ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: span.error },
    attributes: span.attributes,
    links: span.links.map((link) => ({ context: contextOf(link.traceId, link.spanId, true) })),
    events: [],
    ended: true,
    resource,
    instrumentationScope: SCOPE,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  }
}

/** Seconds and nanoseconds. The integer part is split first: nanoseconds since 1970 do not fit a number. */
export function hrTime(micros: number): HrTime {
  const seconds = Math.floor(micros / 1e6)
  return [seconds, Math.min(999_999_999, Math.round((micros - seconds * 1e6) * 1000))]
}

function contextOf(traceId: string, spanId: string, isRemote: boolean): SpanContext {
  return { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote }
}
