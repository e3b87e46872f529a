/**
 * The log of one group: a snapshot that stands for its beginning, and the entries behind it. Index 0 is before everything.
 *
 * Every change comes back as writes, in order, for the disk. Keys are relative to the group: `meta`, `base`, `<index>`.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import type { Json } from "@backplane/foundation-base/json"
import type { Entry, Snapshot } from "@backplane/kv-contract/consensus-items"
import type { Append } from "./group-types.ts"

export const ENTRIES_PER_MESSAGE = 256
/** What an entry, a register and a remembered request count for beside the characters of their values. */
export const ENTRY_WEIGHT = 256
/** A log heavier than this, and than what it made, is replaced by a snapshot of that: so a snapshot costs each entry a fixed share. */
export const LOG_WEIGHT_MIN = 128 * ENTRY_WEIGHT

export interface LogWrite {
  readonly key: string
  readonly value: Json
}

export interface AppendPlan {
  /** The last index that is as the sender's then. */
  readonly match: number
  /** What is here from this index on goes. */
  readonly cutAt: number | null
  readonly fresh: readonly Entry[]
}

export const EMPTY_SNAPSHOT: Snapshot = { index: 0, term: 0, registers: [], done: [] }

export class ConsensusLog {
  #base: Snapshot = EMPTY_SNAPSHOT
  #entries: Entry[] = []
  #weight = 0

  get base(): Snapshot {
    return this.#base
  }

  get lastIndex(): number {
    return this.#base.index + this.#entries.length
  }

  get lastTerm(): number {
    return this.#entries.at(-1)?.term ?? this.#base.term
  }

  /** Of the entries: of each its characters and `ENTRY_WEIGHT`. */
  get weight(): number {
    return this.#weight
  }

  /** Null where the log does not reach, or no longer reaches back so far. */
  termAt(index: number): number | null {
    if (index === this.#base.index) return this.#base.term
    return this.#entries[index - this.#base.index - 1]?.term ?? null
  }

  entry(index: number): Entry {
    return defined(this.#entries[index - this.#base.index - 1], `the log reaches ${index}`)
  }

  after(index: number, limit: number): Entry[] {
    return this.#entries.slice(index - this.#base.index, index - this.#base.index + limit)
  }

  /** True where a log that ends there has all that this one has, or something newer. */
  isAtMost(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex)
  }

  /** What the entries of an append would change here; null where the logs do not meet. */
  plan({ previousIndex, previousTerm, entries }: Pick<Append, "previousIndex" | "previousTerm" | "entries">): AppendPlan | null {
    const skip = Math.max(0, this.#base.index - previousIndex)
    if (skip === 0 && this.termAt(previousIndex) !== previousTerm) return null
    if (skip > entries.length) return { match: this.#base.index, cutAt: null, fresh: [] }
    const start = previousIndex + skip
    const given = entries.slice(skip)
    const match = start + given.length
    const same = given.findIndex((entry, offset) => this.termAt(start + offset + 1) !== entry.term)
    if (same < 0) return { match, cutAt: null, fresh: [] }
    const first = start + same + 1
    return { match, cutAt: first <= this.lastIndex ? first : null, fresh: given.slice(same) }
  }

  /** What a follower is sent that is thought to have everything before `next`: the snapshot where the log does not reach back so far. */
  appendFrom(next: number, limit: number): Pick<Append, "previousIndex" | "previousTerm" | "entries" | "snapshot"> {
    const behind = next <= this.#base.index
    const previousIndex = behind ? this.#base.index : next - 1
    const entries = this.after(previousIndex, limit)
    const part = { previousIndex, previousTerm: this.termAt(previousIndex) ?? 0, entries }
    return behind ? { ...part, snapshot: this.#base } : part
  }

  /** On disk: the snapshot and each entry. */
  keys(): string[] {
    return ["base", ...this.#entries.map((_entry, offset) => String(this.#base.index + 1 + offset))]
  }

  append(entries: readonly Entry[]): LogWrite[] {
    const first = this.lastIndex + 1
    this.#entries.push(...entries)
    this.#weight += weightOf(entries)
    return entries.map((entry, offset) => ({ key: String(first + offset), value: entryJson(entry) }))
  }

  /** Drops what is at `index` and behind. */
  cut(index: number): LogWrite[] {
    assert(index > this.#base.index, "what a snapshot holds is never cut")
    const last = this.lastIndex
    this.#weight -= weightOf(this.#entries.splice(index - this.#base.index - 1))
    return Array.from({ length: last - index + 1 }, (_, offset) => ({ key: String(last - offset), value: null }))
  }

  /** `snapshot` stands for everything up to its index. */
  rebase(snapshot: Snapshot): LogWrite[] {
    const keeps = this.termAt(snapshot.index) === snapshot.term
    const dropped = keeps ? snapshot.index - this.#base.index : this.#entries.length
    const first = this.#base.index + 1
    this.#weight -= weightOf(this.#entries.splice(0, dropped))
    this.#base = snapshot
    // The snapshot is written before what it stands for is removed.
    return [
      { key: "base", value: { ...snapshot } },
      ...Array.from({ length: dropped }, (_, offset) => ({ key: String(first + offset), value: null })),
    ]
  }

  /** What was on disk: entries without a gap, in terms that never fall. */
  static restored(values: ReadonlyMap<string, Json>): ConsensusLog {
    const log = new ConsensusLog()
    const base = values.get("base")
    if (base !== undefined) log.#base = base as Snapshot
    for (let index = log.#base.index + 1; ; index++) {
      const entry = values.get(String(index)) as Entry | undefined
      if (entry === undefined || entry.term < log.lastTerm) return log
      log.#entries.push(entry)
      log.#weight += weightOf([entry])
    }
  }
}

function weightOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, { command: { value, expect } }) => sum + ENTRY_WEIGHT + (value?.length ?? 0) + (expect?.length ?? 0), 0)
}

function entryJson({ term, command }: Entry): Json {
  return { term, command: { ...command } }
}

/** The first entry of a term or a configuration: commits what was left before it, and names the configuration. */
export function firstEntry(term: number, epoch: number): Entry {
  return { term, command: { requester: "-", sequence: 0, bucket: "none", key: "-", value: null, epoch } }
}
