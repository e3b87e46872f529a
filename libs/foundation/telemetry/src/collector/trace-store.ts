/**
 * The last minutes of traces in memory, within limits of spans, bytes and age; what is let go is counted by reason.
 *
 * Whole traces go, oldest first by when they were last heard of: half a trace explains nothing. The newest few of each registered flow go last:
 * a machine decides hundreds of times a second and takes a page fault once, and `trace last fault` is to find that one.
 * I1: the sums of spans and bytes are those of the kept traces. I2: after `add` both are within their limits.
 */
import { compareText } from "@backplane/foundation-base/json"
import { spanEntry } from "../registry/registry.ts"
import type { TraceSpan } from "../trace-span.ts"

export interface TraceLimits {
  readonly spansMax: number
  readonly bytesMax: number
  readonly ageMaxMs: number
  /** One endless trace must not push out all others. */
  readonly spansPerTraceMax: number
}

const TRACE_LIMITS: TraceLimits = { spansMax: 100_000, bytesMax: 64 * 1024 * 1024, ageMaxMs: 15 * 60_000, spansPerTraceMax: 10_000 }

/** So many traces of each flow outlive those that nobody looks for, */
const KEPT_PER_FLOW = 4
/** and age by so much slower. */
const KEPT_AGE_TIMES = 8

export type EvictReason = "spans-limit" | "bytes-limit" | "age" | "trace-too-long" | "duplicate"

export interface TraceSummary {
  readonly traceId: string
  /** Name of the root span, or of the earliest one where the root has not arrived. */
  readonly root: string
  readonly service: string
  readonly startMicros: number
  readonly durationMicros: number
  readonly spans: number
  readonly services: readonly string[]
  readonly errors: number
}

export interface TraceQuery {
  /** Name of the root span. */
  readonly root?: string | undefined
  /** A service with a span in the trace. */
  readonly service?: string | undefined
  /** Name of any span in the trace. */
  readonly span?: string | undefined
  /** Name and value of an attribute of any span in the trace. */
  readonly attribute?: readonly [string, string] | undefined
  readonly limit: number
}

interface KeptTrace {
  readonly spans: Map<string, TraceSpan>
  bytes: number
  heardAt: number
}

export class TraceStore {
  readonly #limits: TraceLimits
  readonly #onDrop: (reason: EvictReason, spans: number) => void
  /** In the order of when they were last heard of: the first goes first. */
  readonly #traces = new Map<string, KeptTrace>()
  /** The newest traces of each flow, oldest first. */
  readonly #kept = new Map<string, string[]>()
  #spans = 0
  #bytes = 0

  constructor(limits: Partial<TraceLimits> = {}, onDrop: (reason: EvictReason, spans: number) => void = () => undefined) {
    this.#limits = { ...TRACE_LIMITS, ...limits }
    this.#onDrop = onDrop
  }

  get spans(): number {
    return this.#spans
  }

  get bytes(): number {
    return this.#bytes
  }

  add(spans: readonly TraceSpan[], now: number): void {
    for (const span of spans) this.#addOne(span, now)
    this.expire(now)
    while (this.#spans > this.#limits.spansMax) this.#evictOldest("spans-limit")
    while (this.#bytes > this.#limits.bytesMax) this.#evictOldest("bytes-limit")
  }

  /** Lets go of what was last heard of too long ago. */
  expire(now: number): void {
    const { ageMaxMs } = this.#limits
    for (const [traceId, trace] of this.#traces) {
      const age = now - trace.heardAt
      if (age <= ageMaxMs) return
      if (age > ageMaxMs * KEPT_AGE_TIMES || !this.#isKept(traceId)) this.#evict(traceId, trace, "age")
    }
  }

  /** In no particular order; empty where the trace is not here. */
  trace(traceId: string): readonly TraceSpan[] {
    return [...(this.#traces.get(traceId)?.spans.values() ?? [])]
  }

  /** Newest first. */
  search(query: TraceQuery): readonly TraceSummary[] {
    const found: TraceSummary[] = []
    for (const trace of [...this.#traces.values()].reverse()) {
      if (found.length >= query.limit) break
      const spans = [...trace.spans.values()]
      const summary = summaryOf(spans)
      if (query.root !== undefined && summary.root !== query.root) continue
      if (query.service !== undefined && !summary.services.includes(query.service)) continue
      if (query.span !== undefined && !spans.some((span) => span.name === query.span)) continue
      if (query.attribute !== undefined && !hasAttribute(spans, query.attribute)) continue
      found.push(summary)
    }
    return found
  }

  /** Every span that is here, oldest trace first. */
  *all(): Generator<TraceSpan> {
    for (const trace of this.#traces.values()) yield* trace.spans.values()
  }

  #addOne(span: TraceSpan, now: number): void {
    const trace = this.#traces.get(span.traceId) ?? { spans: new Map<string, TraceSpan>(), bytes: 0, heardAt: now }
    if (trace.spans.has(span.spanId)) return this.#onDrop("duplicate", 1)
    if (trace.spans.size >= this.#limits.spansPerTraceMax) return this.#onDrop("trace-too-long", 1)
    const bytes = estimatedBytes(span)
    trace.spans.set(span.spanId, span)
    trace.bytes += bytes
    trace.heardAt = now
    this.#spans++
    this.#bytes += bytes
    this.#traces.delete(span.traceId)
    this.#traces.set(span.traceId, trace)
    for (const flow of spanEntry(span.name)?.flows ?? []) this.#keep(flow, span.traceId)
  }

  #keep(flow: string, traceId: string): void {
    const kept = (this.#kept.get(flow) ?? []).filter((each) => each !== traceId)
    this.#kept.set(flow, [...kept, traceId].slice(-KEPT_PER_FLOW))
  }

  #isKept(traceId: string): boolean {
    return [...this.#kept.values()].some((kept) => kept.includes(traceId))
  }

  #evictOldest(reason: EvictReason): void {
    let oldest: readonly [string, KeptTrace] | null = null
    for (const entry of this.#traces) {
      oldest ??= entry
      if (!this.#isKept(entry[0])) return this.#evict(...entry, reason)
    }
    if (oldest !== null) this.#evict(...oldest, reason)
  }

  #evict(traceId: string, trace: KeptTrace, reason: EvictReason): void {
    this.#traces.delete(traceId)
    this.#spans -= trace.spans.size
    this.#bytes -= trace.bytes
    this.#onDrop(reason, trace.spans.size)
  }
}

function summaryOf(spans: readonly TraceSpan[]): TraceSummary {
  const earliest = spans.reduce((first, span) => (span.startMicros < first.startMicros ? span : first))
  const root = spans.find((span) => span.parentSpanId === null) ?? earliest
  const end = spans.reduce((last, span) => Math.max(last, span.endMicros), 0)
  return {
    traceId: root.traceId,
    root: root.name,
    service: root.service,
    startMicros: earliest.startMicros,
    durationMicros: end - earliest.startMicros,
    spans: spans.length,
    services: [...new Set(spans.map((span) => span.service))].sort(compareText),
    errors: spans.filter((span) => span.error !== null).length,
  }
}

/** Rough: text at two bytes a unit, and what an object with its Map entry takes. */
function estimatedBytes(span: TraceSpan): number {
  let units = span.name.length + span.service.length + span.instance.length + (span.error?.length ?? 0) + 64
  for (const [name, value] of Object.entries(span.attributes)) units += name.length + (typeof value === "string" ? value.length : 4)
  return 300 + 2 * units + span.links.length * 150
}

function hasAttribute(spans: readonly TraceSpan[], [name, value]: readonly [string, string]): boolean {
  return spans.some((span) => String(span.attributes[name]) === value)
}
