/**
 * Version vectors: per writer the highest event known. A vector stands for all events up to there, which is true because a writer
 * makes each event on top of all its earlier ones for the same key, and never comes back under a name whose events it forgot.
 *
 * Source: Preguiça, Baquero, Almeida, Fonte, Gonçalves: "Dotted Version Vectors" (2010).
 */
import { compareText } from "@backplane/foundation-base/json"
import type { Dot, Vector } from "@backplane/kv-contract/versions"

export const NO_EVENTS: Vector = {}

/** True where the vector stands for the event. */
export function covers(vector: Vector, [writer, count]: Dot): boolean {
  return (vector[writer] ?? 0) >= count
}

/** True where `a` stands for every event of `b`. */
export function descends(a: Vector, b: Vector): boolean {
  for (const writer of Object.keys(b)) if ((a[writer] ?? 0) < (b[writer] ?? 0)) return false
  return true
}

/** The least vector that descends both: one of them itself where that does. */
export function joinVectors(a: Vector, b: Vector): Vector {
  if (a === b || descends(a, b)) return a
  if (descends(b, a)) return b
  const joined: Record<string, number> = { ...a }
  for (const writer of Object.keys(b)) joined[writer] = Math.max(joined[writer] ?? 0, b[writer] ?? 0)
  return joined
}

export function withDot(vector: Vector, dot: Dot): Vector {
  return covers(vector, dot) ? vector : { ...vector, [dot[0]]: dot[1] }
}

/** The highest count of any writer: no event in the vector is later than this by the hybrid clock. */
export function highestCount(vector: Vector): number {
  let highest = 0
  for (const writer of Object.keys(vector)) highest = Math.max(highest, vector[writer] ?? 0)
  return highest
}

/** Total order of events: by the hybrid clock, ties by writer. */
export function compareDots(a: Dot, b: Dot): number {
  return a[1] - b[1] || compareText(a[0], b[0])
}

export function isSameDot(a: Dot, b: Dot): boolean {
  return a[1] === b[1] && a[0] === b[0]
}
