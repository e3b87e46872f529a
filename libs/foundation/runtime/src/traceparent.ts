/** The `traceparent` header of W3C Trace Context, version 00: `00-<32 hex>-<16 hex>-<flags>`. */
import type { TraceContext } from "@backplane/foundation-actor/trace-context"

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/
const SAMPLED = 0x01

export function formatTraceparent(trace: TraceContext): string {
  return `00-${trace.traceId}-${trace.spanId}-${trace.sampled ? "01" : "00"}`
}

/** Null where it is not valid: the standard says to go on as if there were none. */
export function parseTraceparent(text: string): TraceContext | null {
  const match = TRACEPARENT.exec(text)
  if (match === null || text.startsWith("ff")) return null
  const [, traceId = "", spanId = "", flags = ""] = match
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null
  return { traceId, spanId, sampled: (parseInt(flags, 16) & SAMPLED) !== 0 }
}
