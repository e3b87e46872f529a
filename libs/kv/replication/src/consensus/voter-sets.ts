/** Who votes in a group: one set, or while the partition is moved two, of which every majority is then one of both. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Voters } from "./group-types.ts"

export class VoterSets {
  readonly #voters: Voters
  readonly #majorityOf: (voters: number) => number

  constructor(voters: Voters, majorityOf: (voters: number) => number) {
    this.#voters = voters
    this.#majorityOf = majorityOf
  }

  /** Of the configuration that says so. */
  get epoch(): number {
    return this.#voters.epoch
  }

  isMajority(has: (id: ActorId) => boolean): boolean {
    return this.#sets().every((ids) => ids.filter(has).length >= this.#majorityOf(ids.length))
  }

  isEveryone(has: (id: ActorId) => boolean): boolean {
    return this.#sets().every((ids) => ids.every(has))
  }

  /** The least, over the sets, of what a majority of each has reached. */
  reached(of: (majority: number, ids: readonly ActorId[]) => number): number {
    return Math.min(...this.#sets().map((ids) => of(this.#majorityOf(ids.length), ids)))
  }

  others(id: ActorId): readonly ActorId[] {
    return [...new Set(this.#sets().flat())].filter((voter) => voter !== id)
  }

  #sets(): readonly (readonly ActorId[])[] {
    const { voters, next } = this.#voters
    return next === null ? [voters] : [voters, next]
  }
}
