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
  /** Who led in which term and is known to be gone, and until when what it said before may still come. */
  #gone: { readonly leader: ActorId; readonly term: number; readonly until: number } | null = null
  /** To whom a promise was given, as `term candidate`. */
  #promised = ""

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

  /**
   * Who has promised waits for what comes of it: standing now, it would take its own vote from the other. Once for each candidate and term, or one
   * that hears no answer would keep all others from standing.
   */
  promised(now: number, term: number, candidate: ActorId): void {
    const promise = `${term} ${candidate}`
    if (promise === this.#promised) return
    this.#promised = promise
    this.restart(now, term)
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
  leaderGone(now: number, term: number, { leader, others }: { readonly leader: ActorId; readonly others: readonly ActorId[] }): number {
    const { id, election } = this.#options
    this.#heardLeaderAt = Number.NEGATIVE_INFINITY
    this.#gone = { leader, term, until: now + election }
    const place = others.filter((each) => each !== id && this.isBefore(each, term)).length
    this.#at = now + place * Math.ceil(election / GONE_SHARE)
    return place
  }

  /**
   * Whether what a leader says in this term was said, most likely, before it went: the notice came by a broken link, what it said perhaps by another
   * way. One that goes on speaking for an election's time is there after all.
   */
  saidBefore(now: number, term: number, leader: ActorId): boolean {
    return this.#gone !== null && this.#gone.leader === leader && this.#gone.term === term && now < this.#gone.until
  }

  /** Whether the other is before this one in the order of the partition and term. */
  isBefore(other: ActorId, term: number): boolean {
    const { id, partition } = this.#options
    const drawn = (each: ActorId): number => hashOf(`${each}/${partition}/${term}`).high
    return (drawn(other) - drawn(id) || compareActors(other, id)) < 0
  }

  /** Between one and two election times, a different point for each replica and term. */
  #next(now: number, term: number): number {
    const { id, partition, election } = this.#options
    return now + election + (hashOf(`${id}/${partition}/${term}/${now}`).high % election)
  }
}
