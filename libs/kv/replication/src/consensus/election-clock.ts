/** When a group's member may ask for votes: after silence of the leader, drawn anew each time so that members rarely ask at once. */
import { compareActors, type ActorId } from "@backplane/foundation-actor/actor-id"
import { hashOf } from "../hash.ts"

/** Where the leader is known to be gone, each waits for the one before it so many times less than for a silent leader. */
const GONE_SHARE = 4

export interface ElectionClockOptions {
  readonly id: ActorId
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

  /**
   * The leader is known to be gone. Not all ask at once, or none would have a majority: all know the same order, a different one for each partition
   * and term, so that one replica does not lead everything. Gives the own place in it; 0 may ask now.
   */
  leaderGone(now: number, term: number, others: readonly ActorId[]): number {
    this.#heardLeaderAt = Number.NEGATIVE_INFINITY
    const { id, partition, election } = this.#options
    const drawn = new Map(others.map((each) => [each, hashOf(`${each}/${partition}/${term}`).high]))
    const place = others
      .toSorted((a, b) => (drawn.get(a) ?? 0) - (drawn.get(b) ?? 0) || compareActors(a, b))
      .findIndex((each) => each === id)
    this.#at = now + place * Math.ceil(election / GONE_SHARE)
    return place
  }

  /** Between one and two election times, a different point for each replica and term. */
  #next(now: number, term: number): number {
    const { id, partition, election } = this.#options
    return now + election + (hashOf(`${id}/${partition}/${term}/${now}`).high % election)
  }
}
