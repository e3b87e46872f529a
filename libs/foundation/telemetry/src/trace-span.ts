/**
 * A finished span as telemetry keeps, shows and exports it: what the collector receives over OTLP and what a span book
 * (foundation/actor/span-book) produces become the same thing here.
 *
 * Times are wall microseconds since 1970 as a number (exact to a quarter of a microsecond until 2255); virtual times
 * travel as the attributes `backplane.vt` and `backplane.vt_end`.
 */
import { actorKind } from "@backplane/foundation-actor/actor-id"
import type { FinishedSpan } from "@backplane/foundation-actor/span-book"
import type { Attributes } from "@backplane/foundation-actor/trace-context"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"

export type SpanKindWord = "internal" | "server" | "client" | "producer" | "consumer"

export interface SpanLink {
  readonly traceId: string
  readonly spanId: string
}

export interface TraceSpan {
  readonly traceId: string
  readonly spanId: string
  /** Null for the root of a trace. */
  readonly parentSpanId: string | null
  readonly name: string
  readonly kind: SpanKindWord
  /** `service.name`: the app. */
  readonly service: string
  /** `service.instance.id`: the actor. */
  readonly instance: string
  readonly startMicros: number
  readonly endMicros: number
  readonly attributes: Attributes
  readonly links: readonly SpanLink[]
  /** Why it failed; null where it did not. */
  readonly error: string | null
}

/** Both clocks of a live host at one moment; the same shape as in foundation/runtime, which telemetry may not import. */
export interface HostTime {
  readonly virtual: VirtualTime
  /** Milliseconds since 1970, with a fraction. */
  readonly wallMilliseconds: number
}

export interface SpanOrigin {
  readonly service: string
  readonly machine: string
}

/** Keeps our ids. What a machine opened and waits for is a client; the step that handles its message is the server. */
export function traceSpanOf(finished: FinishedSpan<HostTime>, from: SpanOrigin): TraceSpan {
  const { traceId, spanId, parentSpanId, name, start, end, error, links } = finished
  return {
    traceId,
    spanId,
    parentSpanId,
    name,
    kind: finished.origin === "open" ? "client" : parentSpanId === null ? "internal" : "server",
    service: from.service,
    instance: finished.actor,
    startMicros: start.wallMilliseconds * 1000,
    endMicros: Math.max(start.wallMilliseconds, end.wallMilliseconds) * 1000,
    attributes: {
      ...finished.attributes,
      "backplane.machine": from.machine,
      "backplane.actor": finished.actor,
      "backplane.vt": start.virtual,
      "backplane.vt_end": end.virtual,
    },
    links,
    error,
  }
}

/**
 * A span of the simulation, where there is no wall: one cycle is shown as one nanosecond since 1970, and the kind of the
 * actor stands for the app.
 */
export function simulatedTraceSpan(finished: FinishedSpan<VirtualTime>, machine: string): TraceSpan {
  const both = (virtual: VirtualTime): HostTime => ({ virtual, wallMilliseconds: virtual / 1e6 })
  return traceSpanOf({ ...finished, start: both(finished.start), end: both(finished.end) }, { service: actorKind(finished.actor), machine })
}
