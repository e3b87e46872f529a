/**
 * How long to wait for a peer before it is asked again: as long as its answers take of late, and some.
 *
 * A fixed time is right for a peer that is gone and wrong for one that is busy, which then gets every question twice, and the more of them the busier
 * it is. Mean and deviation of what answers took are followed as TCP follows its round trips (RFC 6298); only answers to questions that were asked
 * once are counted (Karn's rule), and each time that the patience ends it doubles until an answer comes.
 */

export interface PatienceLimits {
  /** Never shorter: an answer may always be a little late. */
  readonly least: number
  /** Never longer, however slow the peer was. */
  readonly most: number
  /** Before the first answer. */
  readonly first: number
}

/** Shares of RFC 6298: alpha, beta, and K deviations on top of the mean. */
const MEAN_SHARE = 1 / 8
const DEVIATION_SHARE = 1 / 4
const DEVIATIONS = 4
const DOUBLINGS_MAX = 6

export class Patience {
  readonly #limits: PatienceLimits
  #mean: number | null = null
  #deviation = 0
  #doublings = 0

  constructor(limits: PatienceLimits) {
    this.#limits = limits
  }

  get cycles(): number {
    const { least, most, first } = this.#limits
    const expected = this.#mean === null ? first : this.#mean + DEVIATIONS * this.#deviation
    return Math.min(most, Math.max(least, expected) * 2 ** this.#doublings)
  }

  /** A question that was asked once was answered after `took`. */
  answered(took: number): void {
    this.#doublings = 0
    if (this.#mean === null) {
      this.#mean = took
      this.#deviation = took / 2
      return
    }
    this.#deviation += DEVIATION_SHARE * (Math.abs(took - this.#mean) - this.#deviation)
    this.#mean += MEAN_SHARE * (took - this.#mean)
  }

  /** It ended, and nothing came. */
  ended(): void {
    this.#doublings = Math.min(DOUBLINGS_MAX, this.#doublings + 1)
  }
}
