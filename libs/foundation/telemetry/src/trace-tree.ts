/**
 * A trace as a tree in the terminal: `backplane trace last migration`.
 *
 * Pure text from spans: name and step, service, when (virtual cycles from the start of the trace), how long on both clocks,
 * what it is about, links and errors. A span whose parent did not arrive stands at the top and says so.
 */
import type { Attributes } from "@backplane/foundation-actor/trace-context"
import { compareText } from "@backplane/foundation-base/json"
import { grouped } from "@backplane/foundation-base/number-text"
import { flows, spanEntry } from "./registry/registry.ts"
import type { TraceSpan } from "./trace-span.ts"

/** Shown in columns of their own, or the same for a whole trace. */
const NOT_LISTED = new Set(["backplane.machine", "backplane.actor", "backplane.vt", "backplane.vt_end", "backplane.step"])

export type LastTrace =
  | { readonly kind: "trace"; readonly spans: readonly TraceSpan[] }
  // Unknown: there never is a trace of that name.
  | { readonly kind: "none"; readonly isUnknown: boolean; readonly reason: string }

/** Services send what they have done every second or so, each at its own time: parts of a trace as young as this may still come. */
const ARRIVAL_MICROS = 3_000_000

/**
 * The trace with the newest span that identifies `flow` (see the registry), of all that `spans` hold. What came of a user's request to the store
 * goes before all that was not asked for by anybody, however new: who has just written a key wants to see that. One that has just been and of
 * which a parent is still to come is passed over for one before it, where there is any.
 */
export function lastTrace(spans: readonly TraceSpan[], flow: string): LastTrace {
  const known = flows()
  if (!known.has(flow))
    return { kind: "none", isUnknown: true, reason: `no such flow: ${flow}; there are ${[...known.keys()].sort(compareText).join(", ")}` }
  const all = spans.filter((span) => spanEntry(span.name)?.flows?.includes(flow) === true).sort((a, b) => compareSpans(b, a))
  const ofUsers = new Set(spans.flatMap((span) => (isRequestOfUser(span) ? [span.traceId] : [])))
  const asked = all.filter(({ traceId }) => ofUsers.has(traceId))
  const telling = asked.length > 0 ? asked : all
  const [newest] = telling
  if (newest === undefined)
    return {
      kind: "none",
      isUnknown: false,
      reason: `no ${flow} among the last ${spans.length} spans; it is told by ${(known.get(flow) ?? []).join(" or ")}`,
    }
  const traceOf = ({ traceId }: TraceSpan): readonly TraceSpan[] => spans.filter((span) => span.traceId === traceId)
  const last = Math.max(...telling.slice(0, TRIES_MAX).map(({ endMicros }) => endMicros))
  for (const span of telling.slice(0, TRIES_MAX)) {
    const trace = traceOf(span)
    if (isWhole(trace) || span.endMicros < last - ARRIVAL_MICROS) return { kind: "trace", spans: trace }
  }
  return { kind: "trace", spans: traceOf(newest) }
}

/** A visitor asked for it: what a user has just asked for may not have come yet, for services send what they have done every second or so. */
export function isPlayed(trace: readonly TraceSpan[]): boolean {
  return trace.some(({ name, attributes }) => name === "kv.request" && attributes["backplane.played"] === true)
}

/** A stack that runs by itself has visitors in its store, whom the gateway plays. */
function isRequestOfUser({ name, attributes }: TraceSpan): boolean {
  return name === "kv.request" && attributes["backplane.played"] !== true
}

/** Looking for a whole one costs a walk over all spans each. */
const TRIES_MAX = 16

/** Parts of the trace may still come, for a span names a parent that has not, and not long ago. `nowMicros`: of the wall, as the spans' own. */
export function isArriving(trace: readonly TraceSpan[], nowMicros: number): boolean {
  return !isWhole(trace) && Math.max(...trace.map(({ endMicros }) => endMicros)) > nowMicros - ARRIVAL_MICROS
}

function isWhole(trace: readonly TraceSpan[]): boolean {
  const ids = new Set(trace.map(({ spanId }) => spanId))
  return trace.every(({ parentSpanId }) => parentSpanId === null || ids.has(parentSpanId))
}

/** All spans of one trace, as lines. */
export function renderTrace(spans: readonly TraceSpan[]): string {
  const rows = rowsOf(spans)
  const first = rows[0]
  if (first === undefined) return "no spans\n"
  const nameWidth = Math.max(...rows.map((row) => row.tree.length))
  const whoWidth = Math.max(...rows.map((row) => row.who.length))
  const start = Math.min(...spans.map((span) => virtualStart(span) ?? Infinity))
  const lines = [headline(spans, first.span)]
  for (const { tree, who, span, indent, isOrphan } of rows) {
    const columns = [
      tree.padEnd(nameWidth),
      who.padEnd(whoWidth),
      offsetText(span, start).padStart(14),
      cyclesText(span).padStart(16),
      wallText(span.endMicros - span.startMicros).padStart(10),
    ]
    lines.push(`${columns.join("  ")}  ${listed(span.attributes)}`.trimEnd())
    if (isOrphan) lines.push(`${indent} parent ${span.parentSpanId} was not received`)
    for (const link of span.links) lines.push(`${indent} link → trace ${link.traceId} span ${link.spanId}`)
    if (span.error !== null) lines.push(`${indent} error: ${span.error}`)
  }
  return lines.map((line) => `${line}\n`).join("")
}

interface Row {
  readonly span: TraceSpan
  readonly tree: string
  readonly who: string
  /** Continues the tree's lines below this row. */
  readonly indent: string
  readonly isOrphan: boolean
}

interface Place {
  readonly lead: string
  readonly isLast: boolean
  readonly isTop: boolean
}

function rowsOf(spans: readonly TraceSpan[]): readonly Row[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]))
  const children = new Map<string, TraceSpan[]>()
  for (const span of [...byId.values()].sort(compareSpans)) {
    const parent = span.parentSpanId !== null && byId.has(span.parentSpanId) ? span.parentSpanId : ""
    children.set(parent, [...(children.get(parent) ?? []), span])
  }
  const rows: Row[] = []
  const seen = new Set<string>()
  const add = (span: TraceSpan, place: Place): void => {
    // Ids come from outside: a loop among parents must not hang us.
    if (seen.has(span.spanId)) return
    seen.add(span.spanId)
    const branch = place.isTop ? "" : place.isLast ? "└─ " : "├─ "
    const indent = `${place.lead}${place.isTop ? "" : place.isLast ? "   " : "│  "}`
    const below = children.get(span.spanId) ?? []
    const isOrphan = place.isTop && span.parentSpanId !== null
    rows.push({
      span,
      tree: `${place.lead}${branch}${title(span)}`,
      who: `${span.service} ${span.instance}`,
      indent: `${indent}${below.length > 0 ? "│" : " "}`,
      isOrphan,
    })
    below.forEach((child, index) => add(child, { lead: indent, isLast: index === below.length - 1, isTop: false }))
  }
  for (const span of children.get("") ?? []) add(span, { lead: "", isLast: true, isTop: true })
  for (const span of byId.values()) add(span, { lead: "", isLast: true, isTop: true })
  return rows
}

function title(span: TraceSpan): string {
  const step = span.attributes["backplane.step"]
  return step === undefined ? span.name : `${span.name} [step ${step}]`
}

function headline(spans: readonly TraceSpan[], root: TraceSpan): string {
  const services = new Set(spans.map((span) => span.service)).size
  const starts = spans.map((span) => virtualStart(span) ?? Infinity)
  const ends = spans.map((span) => virtualEnd(span) ?? -Infinity)
  const cycles = Math.max(...ends) - Math.min(...starts)
  const wall = Math.max(...spans.map((span) => span.endMicros)) - Math.min(...spans.map((span) => span.startMicros))
  const machine = root.attributes["backplane.machine"]
  const parts = [
    `trace ${root.traceId}`,
    ...(machine === undefined ? [] : [`machine ${machine}`]),
    `${spans.length} ${spans.length === 1 ? "span" : "spans"} in ${services} ${services === 1 ? "service" : "services"}`,
    ...(Number.isFinite(cycles) ? [`${grouped(cycles)} cycles`] : []),
    wallText(wall),
  ]
  return parts.join(" · ")
}

/** By virtual start, then wall start, then id: a total order. */
function compareSpans(a: TraceSpan, b: TraceSpan): number {
  const left = virtualStart(a)
  const right = virtualStart(b)
  const machines = a.attributes["backplane.machine"] === b.attributes["backplane.machine"]
  if (machines && left !== null && right !== null && left !== right) return left - right
  return a.startMicros - b.startMicros || compareText(a.spanId, b.spanId)
}

function virtualStart(span: TraceSpan): number | null {
  const value = span.attributes["backplane.vt"]
  return typeof value === "number" ? value : null
}

function virtualEnd(span: TraceSpan): number | null {
  const value = span.attributes["backplane.vt_end"]
  return typeof value === "number" ? value : null
}

function offsetText(span: TraceSpan, start: number): string {
  const value = virtualStart(span)
  return value === null ? "" : `+${grouped(value - start)}`
}

function cyclesText(span: TraceSpan): string {
  const start = virtualStart(span)
  const end = virtualEnd(span)
  return start === null || end === null ? "" : `${grouped(end - start)} cycles`
}

function wallText(micros: number): string {
  if (micros >= 1e6) return `${(micros / 1e6).toFixed(2)} s`
  return micros >= 1000 ? `${(micros / 1000).toFixed(2)} ms` : `${micros.toFixed(0)} µs`
}

function listed(attributes: Attributes): string {
  return Object.keys(attributes)
    .filter((name) => name.startsWith("backplane.") && !NOT_LISTED.has(name))
    .sort(compareText)
    .map((name) => `${name.slice("backplane.".length)}=${attributes[name]}`)
    .join(" ")
}
