/**
 * Whether a history of one register can be put into an order that respects real time and makes every answer true.
 *
 * Wing and Gong's search with Lowe's memory: take any operation that nobody finished before, try it, go back where it does not fit; never try
 * the same set of done operations with the same value twice. An operation whose outcome is unknown may happen at any time after its
 * start, or never. Source: Lowe, "Testing for linearizability" (2017).
 */
import type { HistoryEntry } from "./history.ts"

interface Operation {
  readonly entry: HistoryEntry
  readonly start: number
  readonly end: number
  /** Must be in the order. */
  readonly certain: boolean
}

/** Null: linearizable. Else the entries in which no order was found, shortest prefix first. */
export function linearizabilityViolation(history: readonly HistoryEntry[]): string | null {
  const keys = [...new Set(history.map(({ bucket, key }) => `${bucket}/${key}`))].sort((a, b) => (a < b ? -1 : 1))
  for (const name of keys) {
    const own = history.filter(({ bucket, key, ok }) => `${bucket}/${key}` === name && ok !== false)
    if (!hasOrder(own)) return `${name} is not linearizable: ${own.length} operations have no order that makes their answers true`
  }
  return null
}

function hasOrder(history: readonly HistoryEntry[]): boolean {
  const operations = history
    .filter(({ op, ok }) => ok === true || op !== "get")
    .map((entry): Operation => ({
      entry,
      start: entry.start,
      end: entry.ok === true ? (entry.end ?? Infinity) : Infinity,
      certain: entry.ok === true,
    }))
    .sort((a, b) => a.start - b.start || a.end - b.end)
  const done = new Array<boolean>(operations.length).fill(false)
  const tried = new Set<string>()
  let open = operations.filter(({ certain }) => certain).length

  const search = (value: string | null): boolean => {
    if (open === 0) return true
    const state = `${done.map((each) => (each ? "1" : "0")).join("")}${value === null ? "-" : `=${value}`}`
    if (tried.has(state)) return false
    tried.add(state)
    // Nothing may be taken that starts after an open operation has ended.
    const limit = operations.reduce((first, operation, index) => (done[index] === true ? first : Math.min(first, operation.end)), Infinity)
    for (const [index, operation] of operations.entries()) {
      if (operation.start > limit) break
      if (done[index] === true) continue
      const next = applied(operation, value)
      if (next === undefined) continue
      done[index] = true
      if (operation.certain) open--
      if (search(next)) return true
      done[index] = false
      if (operation.certain) open++
    }
    return false
  }
  return search(null)
}

/** The register after the operation; undefined where its answer would be wrong. */
function applied({ entry, certain }: Operation, value: string | null): string | null | undefined {
  if (entry.op === "get") return (entry.result[0] ?? null) === value ? value : undefined
  const swaps = entry.expect === value
  if (certain && swaps !== entry.swapped) return undefined
  return swaps ? entry.value : value
}
