/**
 * Which events are known: a vector for those without a gap, a cloud for those beyond one. Deltas have gaps, so a vector alone would claim
 * events that were never seen, and a join would delete them.
 */
import { compareText } from "@backplane/foundation-base/json"
import { assert } from "@backplane/foundation-base/assert"
import { compareDots } from "../../vector.ts"

export type Event = readonly [writer: string, count: number]

export type CausalContext = {
  /** Per writer, all events 1…n. */
  readonly vector: { readonly [writer: string]: number }
  /** Events beyond a gap, in order; none that the vector covers. */
  readonly cloud: readonly Event[]
}

export const EMPTY_CONTEXT: CausalContext = { vector: {}, cloud: [] }

export function knows(context: CausalContext, event: Event): boolean {
  return (context.vector[event[0]] ?? 0) >= event[1] || context.cloud.some((other) => isSameEvent(other, event))
}

/** The writer's next event: its own are without a gap where it writes. */
export function nextEvent(context: CausalContext, writer: string): Event {
  assert(!context.cloud.some(([other]) => other === writer), "a writer knows its own events without a gap")
  return [writer, (context.vector[writer] ?? 0) + 1]
}

export function contextOf(events: readonly Event[]): CausalContext {
  return compacted({}, events)
}

export function joinContexts(a: CausalContext, b: CausalContext): CausalContext {
  const vector: Record<string, number> = { ...a.vector }
  for (const writer of Object.keys(b.vector)) vector[writer] = Math.max(vector[writer] ?? 0, b.vector[writer] ?? 0)
  return compacted(vector, [...a.cloud, ...b.cloud])
}

export function isSameEvent(a: Event, b: Event): boolean {
  return a[1] === b[1] && a[0] === b[0]
}

export function compareEvents(a: Event, b: Event): number {
  return compareDots([a[0], a[1]], [b[0], b[1]])
}

/** The one form of a context: what closes a gap moves into the vector, writers in order of their names. */
function compacted(vector: Readonly<Record<string, number>>, cloud: readonly Event[]): CausalContext {
  const grown: Record<string, number> = { ...vector }
  const beyond: Event[] = []
  for (const event of cloud.toSorted(compareEvents)) {
    const [writer, count] = event
    const known = grown[writer] ?? 0
    if (count <= known) continue
    if (count === known + 1) grown[writer] = count
    else if (!beyond.some((other) => isSameEvent(other, event))) beyond.push(event)
  }
  const ordered: Record<string, number> = {}
  for (const writer of Object.keys(grown).sort(compareText)) ordered[writer] = grown[writer] ?? 0
  return { vector: ordered, cloud: beyond }
}
