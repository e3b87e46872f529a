/**
 * The append log with its index in memory and its checkpoints, as a pure object: what to do to the disk comes out as operations, what the disk
 * has done goes in. Whoever holds the disk (a file in the live store, an array in the simulator) carries the operations out in order.
 *
 * Invariants:
 * S1 A segment's first record begins a checkpoint, and the values of a checkpoint are all that the store held at that moment.
 * S2 A segment is removed only after a later one, with a whole checkpoint, is synced.
 * S3 Nothing is appended behind bytes that did not decode: every life begins a segment of its own.
 * S4 Damage found at recovery is itself a value (`DAMAGE_KEY`) until the owner removes it: a second crash does not forget it.
 */
import type { Json } from "@backplane/foundation-base/json"
import { assert } from "@backplane/foundation-base/assert"
import { encodeRecord, type DecodeText, type EncodeText, type LogRecord } from "./log-record.ts"
import { inKeyOrder, recover, type Damage, type Segments } from "./recovery.ts"

/** Under this key the owner finds what was lost; it writes null there when that is repaired. */
export const DAMAGE_KEY = "!damage"
const DAMAGE_TOLD_MAX = 64

/**
 * Whether all that was lost is the end of the log: then what is left was the whole store at some moment. `damage`: the value under `DAMAGE_KEY`.
 */
export function losesEndOnly(damage: Json | undefined): boolean {
  return (
    Array.isArray(damage) && damage.length > 0 && damage.every((each) => (each as { readonly what?: Json } | null)?.what === "torn end")
  )
}

export type DiskOperation =
  { readonly op: "append"; readonly segment: number; readonly bytes: Uint8Array } | { readonly op: "remove"; readonly segment: number }

export interface LogStoreOptions {
  /** A segment is closed by a checkpoint when it is longer than this and than twice its own checkpoint. */
  readonly segmentBytesMin: number
  /** The host's encoder and decoder of UTF-8. Default: pure code. */
  readonly encode?: EncodeText
  readonly decode?: DecodeText
}

const DEFAULTS: LogStoreOptions = { segmentBytesMin: 4 * 1024 * 1024 }

export class LogStore {
  readonly #options: LogStoreOptions
  readonly #values: Map<string, Json>
  /** What recovery found wrong; empty for a clean log. */
  readonly damage: readonly Damage[]
  /** Segments of earlier lives. */
  readonly #recovered: readonly number[]
  #nextSequence: number
  #segment: number
  #segmentBytes = 0
  #checkpointBytes = 0
  /** Segments that may go once all up to `before` is synced: the checkpoint behind them (S2). */
  #obsolete: { readonly segment: number; readonly before: number }[] = []

  constructor(segments: Segments, options: Partial<LogStoreOptions> = {}) {
    const recovered = recover(segments, options.decode)
    this.#options = { ...DEFAULTS, ...options }
    this.#values = new Map(recovered.values)
    this.#nextSequence = recovered.nextSequence
    this.#segment = Math.max(-1, ...segments.keys())
    this.#recovered = [...segments.keys()]
    this.damage = recovered.damage
    if (this.damage.length > 0) {
      const before = this.#values.get(DAMAGE_KEY)
      const found = this.damage.map((each): Json => ({ ...each }))
      // What an earlier life found and nobody has made good yet is still lost.
      const all = [...(Array.isArray(before) ? before : []), ...found]
      const isEnd = (each: Json): boolean => losesEndOnly([each])
      // An end last: of a long list the rest decides.
      const inOrder = [...all.filter((each) => !isEnd(each)), ...all.filter(isEnd)]
      this.#values.set(DAMAGE_KEY, inOrder.slice(0, DAMAGE_TOLD_MAX))
    }
  }

  get values(): ReadonlyMap<string, Json> {
    return this.#values
  }

  get segment(): number {
    return this.#segment
  }

  /** The first operations of a life (S3): a segment with a checkpoint of what was recovered. */
  begin(): readonly DiskOperation[] {
    return [this.#checkpoint(this.#recovered)]
  }

  /** How far the log goes: to be taken down when a sync begins, and told when it is done. */
  get position(): number {
    return this.#nextSequence
  }

  /** Writes `value` under `key`, null removes it. On disk once everything appended so far is synced. */
  write(key: string, value: Json): readonly DiskOperation[] {
    assert(this.#checkpointBytes > 0, "begin comes before the first write")
    if (value === null) this.#values.delete(key)
    else this.#values.set(key, value)
    const full = this.#segmentBytes > this.#options.segmentBytesMin && this.#segmentBytes > 2 * this.#checkpointBytes
    // The checkpoint holds the write: no record of its own.
    if (full) return [this.#checkpoint([this.#segment])]
    const sequence = this.#nextSequence++
    const record: LogRecord = value === null ? { kind: "remove", sequence, key } : { kind: "put", sequence, key, value }
    const bytes = encodeRecord(record, this.#options.encode)
    this.#segmentBytes += bytes.length
    return [{ op: "append", segment: this.#segment, bytes }]
  }

  /** Everything that was appended before `position` is synced: what may go now. What came while the sync was under way may still be lost. */
  synced(position: number): readonly DiskOperation[] {
    const operations = this.#obsolete.flatMap(({ segment, before }): DiskOperation[] =>
      before <= position ? [{ op: "remove", segment }] : [],
    )
    this.#obsolete = this.#obsolete.filter(({ before }) => before > position)
    return operations
  }

  /** `replaced`: the segments that it stands for. */
  #checkpoint(replaced: readonly number[]): DiskOperation {
    this.#segment++
    const records: LogRecord[] = [
      { kind: "checkpoint-begin", sequence: this.#nextSequence++ },
      ...inKeyOrder(this.#values).map(([key, value]): LogRecord => ({ kind: "put", sequence: this.#nextSequence++, key, value })),
      { kind: "checkpoint-end", sequence: this.#nextSequence++ },
    ]
    const bytes = joined(records.map((record) => encodeRecord(record, this.#options.encode)))
    this.#checkpointBytes = bytes.length
    this.#segmentBytes = bytes.length
    this.#obsolete.push(...replaced.map((segment) => ({ segment, before: this.#nextSequence })))
    return { op: "append", segment: this.#segment, bytes }
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.length
  }
  return bytes
}
