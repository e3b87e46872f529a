/**
 * What a history and the state that everybody ended in must have in common. Each returns the first thing that is wrong, or null.
 *
 * Values are unique, so a value names its write. A value that was acknowledged may be missing only if some write, done or not, had seen it and
 * so replaced it; a value that an acknowledged write replaced may not be there. Neither rule looks at versions or contexts.
 */
import { groupBy } from "@backplane/foundation-base/group-by"
import type { HistoryEntry } from "./history.ts"

/** Live values of a key in the end. */
export type FinalValues = (bucket: string, key: string) => readonly string[]

const isWrite = ({ op }: HistoryEntry): boolean => op === "put" || op === "delete"
const placeOf = ({ bucket, key }: HistoryEntry): string => `${bucket}/${key}`

/** For buckets that keep siblings. */
export function siblingViolation(history: readonly HistoryEntry[], final: FinalValues): string | null {
  const writes = history.filter((entry) => isWrite(entry) && entry.ok !== false)
  const replaced = new Set(writes.flatMap(({ saw }) => saw))
  const twice = new Set(writes.filter(({ maybeTwice }) => maybeTwice).map(({ value }) => value))
  const attempted = new Set(writes.map(({ value }) => value))
  for (const write of writes) {
    const values = final(write.bucket, write.key)
    if (write.ok === true && write.op === "put" && write.value !== null && !values.includes(write.value) && !replaced.has(write.value))
      return `acknowledged write lost: ${write.value} of ${write.client} to ${placeOf(write)}`
    if (write.ok !== true) continue
    const back = write.saw.find((value) => values.includes(value) && !twice.has(value))
    if (back !== undefined)
      return `${write.op === "delete" ? "deleted" : "replaced"} value came back: ${back} at ${placeOf(write)}, replaced by ${write.client}`
    const phantom = values.find((value) => !attempted.has(value))
    if (phantom !== undefined) return `nobody wrote ${phantom} to ${placeOf(write)}`
  }
  return null
}

/** For lww buckets: no value of a session outlives a later one of the same session; nothing vanishes that nobody deleted. */
export function lastWriterViolation(history: readonly HistoryEntry[], final: FinalValues): string | null {
  const writes = history.filter((entry) => isWrite(entry) && entry.ok !== false)
  // Every write is asked about those to its place: gathered once, or a long history takes minutes.
  const places = groupBy(writes, placeOf)
  const lasting = new Map([...places].map(([place, same]) => [place, same.filter((write) => outlives(write, final))]))
  for (const write of writes.filter(({ ok }) => ok === true)) {
    const values = final(write.bucket, write.key)
    if (values.length > 1) return `lww keeps ${values.length} values at ${placeOf(write)}`
    const older = lasting.get(placeOf(write))?.find(({ client, end }) => client === write.client && end !== null && end <= write.start)
    if (older !== undefined && !older.maybeTwice)
      return `acknowledged write lost: ${older.value} outlives ${write.value ?? "its deletion"} of the same session at ${placeOf(write)}`
    if (values.length === 0 && places.get(placeOf(write))?.some(({ op }) => op === "delete") !== true)
      return `acknowledged write lost: ${placeOf(write)} is empty and nobody deleted it`
  }
  return null
}

/** Acknowledged, and there in the end. */
function outlives({ bucket, key, ok, value }: HistoryEntry, final: FinalValues): boolean {
  return ok === true && value !== null && final(bucket, key)[0] === value
}

/** Read your writes and monotonic reads, per client and key, in a bucket of siblings. */
export function sessionViolation(history: readonly HistoryEntry[]): string | null {
  const writes = history.filter((entry) => isWrite(entry) && entry.ok !== false)
  const replacedBy = new Set(writes.flatMap(({ saw }) => saw))
  const twice = new Set(writes.filter(({ maybeTwice }) => maybeTwice).map(({ value }) => value))
  const known = new Map<string, Set<string>>()
  const gone = new Map<string, Set<string>>()
  for (const entry of history) {
    if (entry.ok !== true) continue
    const session = `${entry.client} ${placeOf(entry)}`
    const seen = known.get(session) ?? new Set<string>()
    const dead = gone.get(session) ?? new Set<string>()
    if (entry.op === "get") {
      const missing = [...seen].find((value) => !entry.result.includes(value))
      if (missing !== undefined) return `session: ${entry.client} saw ${missing} at ${placeOf(entry)}, and then no more`
      const back = entry.result.find((value) => dead.has(value) && !twice.has(value))
      if (back !== undefined) return `session: ${entry.client} replaced ${back} at ${placeOf(entry)}, and reads it again`
    }
    for (const value of entry.saw) dead.add(value)
    // What somebody replaced may be missing from any read: nothing to remember.
    for (const value of entry.op === "put" && entry.value !== null ? [...entry.result, entry.value] : entry.result)
      if (!replacedBy.has(value)) seen.add(value)
    known.set(session, seen)
    gone.set(session, dead)
  }
  return null
}

/** Counter: everything acknowledged once; of what is unknown each once or not at all. */
export function counterViolation(history: readonly HistoryEntry[], final: (bucket: string, key: string) => number): string | null {
  const updates = history.filter(({ op, ok }) => op === "update" && ok !== false)
  for (const [name, own] of groupBy(updates, placeOf)) {
    const sum = (entries: readonly HistoryEntry[]): number => entries.reduce((total, { value }) => total + Number(value), 0)
    const unknown = own.filter(({ ok, maybeTwice }) => ok === null || maybeTwice)
    const sure = sum(own.filter(({ ok }) => ok === true))
    const low = sure + sum(unknown.filter(({ value }) => Number(value) < 0))
    const high = sure + sum(unknown.filter(({ value }) => Number(value) > 0))
    const [first] = own
    const value = first === undefined ? 0 : final(first.bucket, first.key)
    if (value < low || value > high) return `counter ${name} is ${value}, what was acknowledged makes ${low} to ${high}`
  }
  return null
}

/** Set of unique elements that nobody removes: all that was acknowledged is there. */
export function setViolation(history: readonly HistoryEntry[], final: FinalValues): string | null {
  const adds = history.filter(({ op, ok }) => op === "update" && ok === true)
  const left = new Map([...groupBy(adds, placeOf)].map(([place, [first]]) => [place, new Set(first && final(first.bucket, first.key))]))
  for (const add of adds)
    if (add.value !== null && left.get(placeOf(add))?.has(add.value) !== true)
      return `acknowledged write lost: element ${add.value} of ${placeOf(add)}`
  return null
}
