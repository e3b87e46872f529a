/** What both Perfetto exports show: a schedule and, where there are any, the spans of its actors. One cycle is shown as one nanosecond. */
import { compareText } from "@backplane/foundation-base/json"
import type { Schedule } from "./schedule.ts"

export interface PictureSpan {
  readonly spanId: string
  readonly parentSpanId: string | null
  readonly name: string
  readonly actor: string
  /** Cycles. */
  readonly start: number
  readonly end: number
  readonly attributes: Readonly<Record<string, string | number | boolean>>
  readonly error: string | null
}

export interface PerfettoInput {
  readonly schedule: Schedule
  readonly cyclesPerTick: number
  readonly spans?: readonly PictureSpan[]
}

/** One row of spans that lie apart or inside each other, as a track must. */
export interface Lane {
  readonly actor: string
  /** 0 for the first lane of an actor. */
  readonly index: number
  /** Outer before inner, then by start. */
  readonly spans: readonly PictureSpan[]
}

/** Spans of one actor may overlap in any way; each goes into the first lane where it fits. */
export function lanesOf(spans: readonly PictureSpan[]): readonly Lane[] {
  const ordered = [...spans].sort(
    (a, b) => compareText(a.actor, b.actor) || a.start - b.start || b.end - a.end || compareText(a.spanId, b.spanId),
  )
  const lanes: { readonly actor: string; readonly index: number; readonly spans: PictureSpan[]; readonly open: PictureSpan[] }[] = []
  for (const span of ordered) {
    const own = lanes.filter((lane) => lane.actor === span.actor)
    let lane = own.find((each) => fits(span, each.open))
    if (lane === undefined) {
      lane = { actor: span.actor, index: own.length, spans: [], open: [] }
      lanes.push(lane)
    }
    while (lane.open.length > 0 && (lane.open.at(-1)?.end ?? 0) <= span.start) lane.open.pop()
    lane.open.push(span)
    lane.spans.push(span)
  }
  return lanes
}

/** After all that is open, or inside the innermost of what is still open. */
function fits(span: PictureSpan, open: readonly PictureSpan[]): boolean {
  const around = open.findLast((each) => each.end > span.start)
  return around === undefined || span.end <= around.end
}

/** Parent and child on different actors: worth an arrow. Numbered from 1 in the order of the children. */
export function arrowsOf(spans: readonly PictureSpan[]): {
  readonly out: ReadonlyMap<string, readonly number[]>
  readonly into: ReadonlyMap<string, number>
} {
  const byId = new Map(spans.map((span) => [span.spanId, span]))
  const out = new Map<string, number[]>()
  const into = new Map<string, number>()
  for (const span of spans) {
    const parent = span.parentSpanId === null ? undefined : byId.get(span.parentSpanId)
    if (parent === undefined || parent.actor === span.actor) continue
    const arrow = into.size + 1
    into.set(span.spanId, arrow)
    out.set(parent.spanId, [...(out.get(parent.spanId) ?? []), arrow])
  }
  return { out, into }
}
