/** When a group's member may ask for votes: after silence of the leader, drawn anew each time so that members rarely ask at once. */
import { hashOf } from "../hash.ts"

/** An election after a leader that is known to be gone waits so many times less. */
const GONE_SHARE = 8

export interface ElectionClockOptions {
  readonly id: string
  readonly partition: number
  /** A leader that says nothing for so long, and up to twice that, is doubted. Cycles. */
  readonly election: number
}

export class ElectionClock {
  readonly #options: ElectionClockOptions
  /** Null before the first tick. */
  #at: number | null = null
  #heardLeaderAt = Number.NEGATIVE_INFINITY

  constructor(options: ElectionClockOptions) {
    this.#options = options
  }

  /** The first tick begins it. */
  isDue(now: number, term: number): boolean {
    this.#at ??= this.#next(now, term)
    return now >= this.#at
  }

  restart(now: number, term: number): void {
    this.#at = this.#next(now, term)
  }

  heardLeader(now: number): void {
    this.#heardLeaderAt = now
  }

  /** A leader that was heard lately is not to be unseated. */
  trustsLeader(now: number): boolean {
    return now - this.#heardLeaderAt < this.#options.election
  }

  /** The leader is known to be gone. Not all ask at once: the first mostly wins. */
  leaderGone(now: number, term: number): void {
    this.#heardLeaderAt = Number.NEGATIVE_INFINITY
    this.#at = now + Math.floor((this.#next(now, term) - now - this.#options.election) / GONE_SHARE)
  }

  /** Between one and two election times, a different point for each replica and term. */
  #next(now: number, term: number): number {
    const { id, partition, election } = this.#options
    return now + election + (hashOf(`${id}/${partition}/${term}/${now}`).high % election)
  }
}
