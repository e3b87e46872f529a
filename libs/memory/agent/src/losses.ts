/** How often pages were taken from this node lately: one that is taken again and again is contended, and AMOs go to it instead of bringing it. */
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { AgentOptions } from "./agent-options.ts"

const CONTENDED_LOSSES_DEFAULT = 8
const CONTENDED_WINDOW_RETRIES = 4
const NEVER = { losses: 0, from: 0 } as const

export class Losses {
  readonly #limit: number
  readonly #windowCycles: number
  /** By page: times it was taken, since when. */
  readonly #taken = new Map<number, { losses: number; from: number }>()

  constructor({ contendedLosses, retryCycles }: Pick<AgentOptions, "contendedLosses" | "retryCycles">) {
    this.#limit = contendedLosses ?? CONTENDED_LOSSES_DEFAULT
    this.#windowCycles = CONTENDED_WINDOW_RETRIES * retryCycles
  }

  note(now: VirtualTime, page: number): void {
    const known = this.#taken.get(page) ?? { losses: 0, from: 0 }
    this.#taken.set(page, known)
    if (now - known.from > this.#windowCycles) {
      known.losses = 0
      known.from = now
    }
    known.losses += 1
  }

  isContended(now: VirtualTime, page: number): boolean {
    const { losses, from } = this.#taken.get(page) ?? NEVER
    return losses >= this.#limit && now - from <= 2 * this.#windowCycles
  }

  forget(page: number): void {
    this.#taken.delete(page)
  }
}
