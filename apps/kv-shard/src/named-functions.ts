/**
 * Functions for map and reduce that everybody needs, by name. They are ours, and each does a few steps a key: where both are of these, a replica works
 * them out where it is, without a thread and without a copy. The worker takes their texts, where one of ours goes with one of the caller's.
 */
import type { Json } from "@backplane/foundation-base/json"
import type { KeyValues } from "@backplane/kv-replica/computer"

const MAPS: Readonly<Record<string, (key: string, values: readonly string[]) => number>> = {
  count: () => 1,
  bytes: (_key, values) => values.reduce((sum, value) => sum + value.length, 0),
  number: (_key, values) => Number(values[0]),
}

const REDUCES: Readonly<Record<string, (a: number, b: number) => number>> = {
  sum: (a, b) => a + b,
  max: (a, b) => Math.max(a, b),
  min: (a, b) => Math.min(a, b),
}

/** The text of the function that `text` names, or `text`. */
export function functionText(text: string): string {
  return (own(MAPS, text) ?? own(REDUCES, text))?.toString() ?? text
}

export interface Work {
  readonly map: string
  readonly reduce: string
  readonly partials: readonly Json[]
}

/** What the worker would answer, or null where not both functions are of these, or partials are no numbers. */
export function namedResult({ map, reduce, partials }: Work, entries: readonly KeyValues[]): { readonly result: Json } | null {
  const [mapped, reduced] = [own(MAPS, map), own(REDUCES, reduce)]
  if (mapped === undefined || reduced === undefined) return null
  let result: number | null = null
  for (const [key, values] of entries) {
    const value = mapped(key, values)
    result = result === null ? value : reduced(result, value)
  }
  for (const partial of partials) {
    if (typeof partial !== "number") return null
    result = result === null ? partial : reduced(result, partial)
  }
  // As JSON has it: what is no number is null.
  return { result: result !== null && Number.isFinite(result) ? result : null }
}

function own<T>(of: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(of, name) ? of[name] : undefined
}
