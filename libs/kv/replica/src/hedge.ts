/**
 * When it is worth asking somebody else beside who was asked: once the answer takes longer than nineteen in twenty did of late, whoever gave them.
 *
 * One slow replica then costs a reader that long and not as long as its own patience, which grows with the slowness. So that a store with too much to do
 * gets no more of it, at most one question in ten is asked twice; what is not spent is saved up for the moment when a process is killed or comes back.
 *
 * Source: Dean, Barroso: "The Tail at Scale" (2013), hedged requests. The time is followed by steps, up where it was exceeded and down by a nineteenth
 * of that where it was not: so that it stands where one in twenty exceeds it (Robbins, Monro: "A Stochastic Approximation Method", 1951).
 */
const STEP_UP = 0.095
const STEP_DOWN = STEP_UP / 19
/** What each question adds to what may be asked twice, and how much is saved at most. */
const SHARE = 0.1
const SAVED_MAX = 32

export interface HedgeLimits {
  /** Never shorter, never longer. Cycles. */
  readonly least: number
  readonly most: number
}

export class Hedge {
  readonly #limits: HedgeLimits
  #cycles: number
  #saved = SAVED_MAX

  constructor(limits: HedgeLimits) {
    this.#limits = limits
    this.#cycles = limits.most
  }

  /** Who waits longer than this waits longer than most. */
  get cycles(): number {
    return this.#cycles
  }

  /** A question was asked of as many as are needed, and no more. */
  asked(): void {
    this.#saved = Math.min(SAVED_MAX, this.#saved + SHARE)
  }

  /** It was answered after `took`. */
  answered(took: number): void {
    const next = this.#cycles * (took > this.#cycles ? 1 + STEP_UP : 1 - STEP_DOWN)
    this.#cycles = Math.min(this.#limits.most, Math.max(this.#limits.least, next))
  }

  /** Whether one more may be asked twice; it is counted. */
  take(): boolean {
    if (this.#saved < 1) return false
    this.#saved--
    return true
  }
}
