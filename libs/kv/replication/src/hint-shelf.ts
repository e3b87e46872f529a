/**
 * States that one replica keeps for others that were away when a write came, until those have them on disk.
 *
 * Bounded per absent replica: a full shelf refuses, and who is refused does not count the write as held. A state for a key that is already on
 * the shelf is joined to it. Invariant H1: what was put is there until `delivered` names the very state that was handed over.
 */
import { compareText } from "@backplane/foundation-base/json"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { HINTS_PER_REPLICA_MAX } from "@backplane/kv-contract/limits"
import type { KeyState } from "@backplane/kv-contract/versions"
import { partitionOf, placeName } from "./hash.ts"

export interface Hint {
  readonly target: ActorId
  readonly bucket: string
  readonly key: string
  readonly state: KeyState
}

export class HintShelf {
  readonly #hints = new Map<ActorId, Map<string, Hint>>()
  readonly #limit: number

  constructor(limit: number = HINTS_PER_REPLICA_MAX) {
    this.#limit = limit
  }

  get count(): number {
    return [...this.#hints.values()].reduce((sum, hints) => sum + hints.size, 0)
  }

  of(target: ActorId, bucket: string, key: string): Hint | undefined {
    return this.#hints.get(target)?.get(placeName(bucket, key))
  }

  /** False where the shelf for the target is full and the key is not on it. */
  put(hint: Hint): boolean {
    const hints = this.#hints.get(hint.target) ?? new Map<string, Hint>()
    const place = placeName(hint.bucket, hint.key)
    if (!hints.has(place) && hints.size >= this.#limit) return false
    hints.set(place, hint)
    this.#hints.set(hint.target, hints)
    return true
  }

  /** The target has `state` on disk. False where the shelf has another state by now: that one still has to go (H1). */
  delivered(hint: Hint): boolean {
    const present = this.of(hint.target, hint.bucket, hint.key)
    if (present === undefined || present.state !== hint.state) return false
    this.#hints.get(hint.target)?.delete(placeName(hint.bucket, hint.key))
    return true
  }

  /** Oldest first, at most `limit` for each target. */
  next(limit: number): readonly Hint[] {
    return [...this.#hints.keys()].sort(compareText).flatMap((target) => [...(this.#hints.get(target)?.values() ?? [])].slice(0, limit))
  }

  countIn(partition: number): number {
    let count = 0
    for (const hints of this.#hints.values())
      for (const hint of hints.values()) if (partitionOf(hint.bucket, hint.key) === partition) count++
    return count
  }
}
