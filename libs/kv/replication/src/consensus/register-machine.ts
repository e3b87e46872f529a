/**
 * What a committed log makes: one register per key, and which requests were applied. A repeat of a request changes nothing and gets the
 * stored answer, whichever replica leads by then, because the memory is part of the replicated state.
 */
import { compareText } from "@backplane/foundation-base/json"
import type { Command, Snapshot } from "@backplane/kv-contract/consensus-items"
import { placeName } from "../hash.ts"
import { ENTRY_WEIGHT } from "./consensus-log.ts"

/** Applied requests remembered per requester. A request older than all of them is refused: it may have been applied. */
export const REMEMBERED_MAX = 256
/** Requesters remembered, the longest silent go first: a life of a gateway is a requester of its own. */
const REQUESTERS_MAX = 256

export type Applied = { readonly swapped: boolean; readonly value: string | null } | "forgotten"

export class RegisterMachine {
  readonly #registers = new Map<string, string>()
  readonly #done = new Map<string, Map<number, boolean>>()
  readonly #remembers: boolean
  /** Of all registers' values. */
  #characters = 0

  constructor(remembers: boolean) {
    this.#remembers = remembers
  }

  /** Of a snapshot, as the log's: of each register its characters and `ENTRY_WEIGHT`, and that of each request remembered. */
  get weight(): number {
    let count = this.#registers.size
    for (const done of this.#done.values()) count += done.size
    return this.#characters + ENTRY_WEIGHT * count
  }

  /** All registers, in order of their places. */
  registers(): [place: string, value: string][] {
    return [...this.#registers].sort(([a], [b]) => compareText(a, b))
  }

  read(bucket: string, key: string): string | null {
    return this.#registers.get(placeName(bucket, key)) ?? null
  }

  /** Whose requests are remembered. */
  requesters(): readonly string[] {
    return [...this.#done.keys()]
  }

  apply(command: Command): Applied {
    const place = placeName(command.bucket, command.key)
    const done = this.#done.get(command.requester) ?? new Map<number, boolean>()
    const before = this.#remembers ? done.get(command.sequence) : undefined
    if (before !== undefined) return { swapped: before, value: this.#registers.get(place) ?? null }
    const [oldest = 0] = done.keys()
    if (this.#remembers && done.size >= REMEMBERED_MAX && command.sequence < oldest) return "forgotten"
    const swapped = command.expect === undefined || command.expect === (this.#registers.get(place) ?? null)
    if (swapped) this.#set(place, command.value)
    done.set(command.sequence, swapped)
    this.#forgetOldest(done)
    this.#done.delete(command.requester)
    this.#done.set(command.requester, done)
    return { swapped, value: this.#registers.get(place) ?? null }
  }

  #set(place: string, value: string | null): void {
    this.#characters += (value?.length ?? 0) - (this.#registers.get(place)?.length ?? 0)
    if (value === null) this.#registers.delete(place)
    else this.#registers.set(place, value)
  }

  /** Bounded: in the order of application, so the sequences that are forgotten are about the lowest. */
  #forgetOldest(done: Map<number, boolean>): void {
    for (const sequence of done.keys()) {
      if (done.size <= REMEMBERED_MAX) break
      done.delete(sequence)
    }
    for (const silent of this.#done.keys()) {
      if (this.#done.size <= REQUESTERS_MAX) break
      this.#done.delete(silent)
    }
  }

  snapshot(index: number, term: number): Snapshot {
    return {
      index,
      term,
      registers: this.registers(),
      // In the order of use, which every replica has the same: it decides who is forgotten next.
      done: [...this.#done].flatMap(([requester, done]) =>
        [...done].map(([sequence, swapped]): [string, number, boolean] => [requester, sequence, swapped]),
      ),
    }
  }

  restore(snapshot: Snapshot): void {
    this.#registers.clear()
    this.#done.clear()
    this.#characters = 0
    for (const [place, value] of snapshot.registers) this.#set(place, value)
    for (const [requester, sequence, swapped] of snapshot.done) {
      const done = this.#done.get(requester) ?? new Map<number, boolean>()
      this.#done.set(requester, done.set(sequence, swapped))
    }
  }
}
