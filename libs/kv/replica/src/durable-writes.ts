/**
 * Who waits for what to be on disk. Writes of one key are done in order, so the first notice belongs to the first write.
 *
 * Invariant D1: what a waiter stands for (an acknowledgement, a vote) is told to nobody before its notice came.
 */
import type { Json } from "@backplane/foundation-base/json"
import { YoungMap } from "@backplane/foundation-base/young-map"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Dot, KeyState } from "@backplane/kv-contract/versions"
import { persist } from "@backplane/foundation-actor/effects"
import type { Outbox } from "./outbox.ts"

export type Waiter =
  | { readonly kind: "write"; readonly id: string }
  | {
      readonly kind: "acknowledge"
      readonly to: ActorId
      readonly id: string
      readonly held: boolean
      /** Versions of what is acknowledged that were refused (doubts.ts). */
      readonly refused?: readonly Dot[]
    }
  /** A read or a question of another replica that came while the key was on its way to the disk. */
  | { readonly kind: "read"; readonly id: string }
  | {
      readonly kind: "fetch"
      readonly to: ActorId
      readonly id: string
      readonly bucket: string
      readonly key: string
      readonly hash?: string
      /** What was known of the key when it was asked for: on disk when the waiter hears. Without it, it is looked up then. */
      readonly known?: KeyState
    }
  /** All that a holder had of a partition that comes here. */
  | { readonly kind: "moved"; readonly partition: number; readonly source: ActorId }
  | { readonly kind: "consensus"; readonly partition: number; readonly ticket: number }

export class DurableWrites {
  readonly #outbox: Outbox
  /** Who waits for a write of another; `behind` counts the writes until then. */
  readonly #joined = new Map<string, { behind: number; readonly waiter: Waiter }[]>()
  readonly #waiting = new YoungMap<string, (Waiter | null)[]>()

  constructor(outbox: Outbox) {
    this.#outbox = outbox
  }

  write(key: string, value: Json, waiter: Waiter | null): void {
    this.#outbox.effect(persist(key, value))
    const queue = this.#waiting.get(key)
    if (queue === undefined) this.#waiting.set(key, [waiter])
    else queue.push(waiter)
  }

  /** True while a write of the key is on its way: who comes to know the same may wait for that one. */
  isWaiting(key: string): boolean {
    return this.#waiting.has(key)
  }

  /** Waits for the last write of the key that is on its way. */
  join(key: string, waiter: Waiter): void {
    const queue = this.#waiting.get(key)
    if (queue === undefined) return
    this.#joined.set(key, [...(this.#joined.get(key) ?? []), { behind: queue.length, waiter }])
  }

  /** The first write of `key` is on disk: who waited for it. */
  done(key: string): readonly Waiter[] {
    const queue = this.#waiting.get(key)
    const first = queue?.shift() ?? null
    if (queue?.length === 0) this.#waiting.delete(key)
    const joined = this.#joined.get(key)
    if (joined === undefined) return first === null ? [] : [first]
    for (const each of joined) each.behind--
    const ready = joined.filter(({ behind }) => behind <= 0).map(({ waiter }) => waiter)
    const rest = joined.filter(({ behind }) => behind > 0)
    if (rest.length === 0) this.#joined.delete(key)
    else this.#joined.set(key, rest)
    return first === null ? ready : [first, ...ready]
  }
}
