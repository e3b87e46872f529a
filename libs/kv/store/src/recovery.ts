/**
 * What the bytes of a log still say: pure over bytes, never serves what no checksum vouches for, and tells what is missing.
 *
 * Procedure: start at the newest segment whose checkpoint is whole, replay it and all later ones in order. A place that does not decode,
 * or whose sequence does not follow, is damage: replay goes on at the next record that does fit, for it is newer than what was lost,
 * and the place is told. Bytes at the very end that do not decode are told as well: a torn write that nobody was promised looks the same as
 * a flipped bit in the last synced record, so it is not for the log to call it harmless.
 */
import type { Json } from "@backplane/foundation-base/json"
import { compareText } from "@backplane/foundation-base/json"
import { decodeRecord, RECORD_MARK, type DecodeText, type LogRecord } from "./log-record.ts"

export interface Damage {
  readonly segment: number
  readonly offset: number
  readonly bytes: number
  readonly what: "unreadable" | "out of sequence" | "torn end" | "no checkpoint"
}

export interface Recovered {
  readonly values: ReadonlyMap<string, Json>
  /** The first sequence that was never written. */
  readonly nextSequence: number
  readonly damage: readonly Damage[]
  /** Segments that stand before the checkpoint that was used, and may go. */
  readonly obsolete: readonly number[]
}

export type Segments = ReadonlyMap<number, Uint8Array>

interface Scan {
  readonly records: readonly LogRecord[]
  readonly damage: readonly Damage[]
}

export function recover(segments: Segments, decode?: DecodeText): Recovered {
  const numbers = [...segments.keys()].sort((a, b) => a - b)
  const scans = new Map(numbers.map((number) => [number, scanSegment(number, segments.get(number) ?? new Uint8Array(0), decode)]))
  const checkpoints = numbers.filter((number) => hasWholeCheckpoint(scans.get(number)))
  const start = checkpoints.at(-1) ?? numbers[0] ?? 0
  const damage: Damage[] = []
  const values = new Map<string, Json>()
  let next = 0
  for (const number of numbers.filter((each) => each >= start)) {
    const scan = scans.get(number)
    if (number !== start && isTornCheckpoint(scan)) continue
    for (const record of scan?.records ?? []) {
      if (record.sequence < next) {
        damage.push({ segment: number, offset: 0, bytes: 0, what: "out of sequence" })
        continue
      }
      if (next > 0 && record.sequence > next) damage.push({ segment: number, offset: 0, bytes: 0, what: "out of sequence" })
      next = record.sequence + 1
      // A later checkpoint that is not whole adds what it has, and clears nothing.
      if (record.kind !== "checkpoint-begin") apply(values, record)
    }
    damage.push(...(scan?.damage ?? []))
  }
  if (numbers.length > 0 && checkpoints.length === 0) damage.push({ segment: start, offset: 0, bytes: 0, what: "no checkpoint" })
  return { values, nextSequence: next, damage, obsolete: numbers.filter((number) => number < start) }
}

function apply(values: Map<string, Json>, record: LogRecord): void {
  if (record.kind === "put") values.set(record.key, record.value)
  else if (record.kind === "remove") values.delete(record.key)
}

/** Whole: it begins the segment, ends, and nothing between is missing. */
function hasWholeCheckpoint(scan: Scan | undefined): boolean {
  const records = scan?.records ?? []
  const [first] = records
  if (first?.kind !== "checkpoint-begin") return false
  const end = records.findIndex((record) => record.kind === "checkpoint-end")
  return end > 0 && records[end]?.sequence === first.sequence + end
}

/** The crash came while the checkpoint was written: nothing of the segment was ever synced, and all of it is in the one before. */
function isTornCheckpoint(scan: Scan | undefined): boolean {
  const [first, ...rest] = scan?.records ?? []
  const onlyTorn = (scan?.damage ?? []).every(({ what }) => what === "torn end")
  const begins = first === undefined || first.kind === "checkpoint-begin"
  return onlyTorn && begins && !rest.some((record) => record.kind === "checkpoint-end")
}

function scanSegment(segment: number, bytes: Uint8Array, decode: DecodeText | undefined): Scan {
  const records: LogRecord[] = []
  const damage: Damage[] = []
  let offset = 0
  while (offset < bytes.length) {
    const decoded = decodeRecord(bytes, offset, decode)
    if (decoded !== null) {
      records.push(decoded.record)
      offset = decoded.end
      continue
    }
    const resumed = nextReadable(bytes, offset + 1)
    damage.push({ segment, offset, bytes: resumed - offset, what: resumed === bytes.length ? "torn end" : "unreadable" })
    offset = resumed
  }
  return { records, damage }
}

function nextReadable(bytes: Uint8Array, from: number): number {
  for (let offset = bytes.indexOf(RECORD_MARK, from); offset >= 0; offset = bytes.indexOf(RECORD_MARK, offset + 1))
    if (decodeRecord(bytes, offset) !== null) return offset
  return bytes.length
}

/** The order in which a checkpoint writes: the same bytes for the same values. */
export function inKeyOrder(values: ReadonlyMap<string, Json>): readonly (readonly [string, Json])[] {
  return [...values].sort(([a], [b]) => compareText(a, b))
}
