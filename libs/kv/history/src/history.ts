/** What clients did and heard, in the order of the ends: the only thing that most checkers look at. */

export interface HistoryEntry {
  readonly client: string
  readonly op: "get" | "put" | "delete" | "cas" | "update"
  readonly bucket: string
  readonly key: string
  readonly value: string | null
  readonly expect: string | null
  /** Of a write: the values that its context covered when it was sent. */
  readonly saw: readonly string[]
  /** Cycles; `end` is null where no answer ever came. */
  readonly start: number
  readonly end: number | null
  /** True: done. False: refused, and nothing happened. Null: nobody knows. */
  readonly ok: boolean | null
  /** Of a get: the values; of a cas: whether it swapped; of an update: what it showed. */
  readonly result: readonly string[]
  readonly swapped: boolean | null
  /** May have been done a second time: by a stand-in, or by a replica whose disk forgot the first. */
  readonly maybeTwice: boolean
}

/** The line of an entry as issue and tools exchange it, with the bucket in the key; `unit` is nanoseconds of a start's unit: a simulated cycle has 1000. */
export function historyLine(entry: HistoryEntry, unit = 1000): string {
  const { client, op, bucket, key, value, expect, start, end, ok } = entry
  const result = op === "cas" ? entry.swapped : entry.result
  return JSON.stringify({
    client,
    op,
    key: `${bucket}/${key}`,
    value,
    expect,
    start: start * unit,
    end: end === null ? null : end * unit,
    ok,
    result,
  })
}
