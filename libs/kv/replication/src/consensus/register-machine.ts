/**
 * What a committed log makes: one register per key, and which requests were applied. A repeat of a request changes nothing and gets the
 * stored answer, whichever replica leads by then, because the memory is part of the replicated state.
 */
import { compareText } from "@backplane/foundation-base/json"
import type { Command, Snapshot } from "@backplane/kv-contract/consensus-items"
import { placeName } from "../hash.ts"

/** Applied requests remembered per requester. A request older than all of them is refused: it may have been applied. */
export const REMEMBERED_MAX = 64

export type Applied = { readonly swapped: boolean; readonly value: string | null } | "forgotten"

export class RegisterMachine {
  readonly #registers = new Map<string, string>()
  readonly #done = new Map<string, Map<number, boolean>>()
  readonly #remembers: boolean

  constructor(remembers: boolean) {
    this.#remembers = remembers
  }

  read(bucket: string, key: string): string | null {
    return this.#registers.get(placeName(bucket, key)) ?? null
  }

  apply(command: Command): Applied {
    const place = placeName(command.bucket, command.key)
    const done = this.#done.get(command.requester) ?? new Map<number, boolean>()
    const before = this.#remembers ? done.get(command.sequence) : undefined
    if (before !== undefined) return { swapped: before, value: this.#registers.get(place) ?? null }
    if (this.#remembers && done.size === REMEMBERED_MAX && command.sequence < Math.min(...done.keys())) return "forgotten"
    const swapped = command.expect === undefined || command.expect === (this.#registers.get(place) ?? null)
    if (swapped && command.value === null) this.#registers.delete(place)
    else if (swapped && command.value !== null) this.#registers.set(place, command.value)
    done.set(command.sequence, swapped)
    if (done.size > REMEMBERED_MAX) done.delete(Math.min(...done.keys()))
    this.#done.set(command.requester, done)
    return { swapped, value: this.#registers.get(place) ?? null }
  }

  snapshot(index: number, term: number): Snapshot {
    return {
      index,
      term,
      registers: [...this.#registers].sort(([a], [b]) => compareText(a, b)),
      done: [...this.#done]
        .sort(([a], [b]) => compareText(a, b))
        .flatMap(([requester, done]) => [...done].map(([sequence, swapped]): [string, number, boolean] => [requester, sequence, swapped])),
    }
  }

  restore(snapshot: Snapshot): void {
    this.#registers.clear()
    this.#done.clear()
    for (const [place, value] of snapshot.registers) this.#registers.set(place, value)
    for (const [requester, sequence, swapped] of snapshot.done) {
      const done = this.#done.get(requester) ?? new Map<number, boolean>()
      this.#done.set(requester, done.set(sequence, swapped))
    }
  }
}
