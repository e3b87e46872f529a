/** Who has agreed that this replica leads, and on what terms it asked. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { AnyVote } from "./group-types.ts"
import type { VoterSets } from "./voter-sets.ts"

export class Candidacy {
  /** The election under way, or what it led to, needs every voter (C6). */
  everyone = false
  /** The host has said that the leader is gone, not only silent: others need not trust it any longer either. Until one is heard. */
  leaderGone = false
  #granted = new Set<ActorId>()
  /** Who answered, with yes or no, since it asked last. */
  #answered = new Set<ActorId>()

  /** Asks anew: for promises first, then for votes. */
  begin(): void {
    this.#granted = new Set()
    this.#answered = new Set()
  }

  answeredBy(from: ActorId): void {
    this.#answered.add(from)
  }

  wasAnsweredBy(all: readonly ActorId[]): boolean {
    return all.every((each) => this.#answered.has(each))
  }

  grantedBy(from: ActorId): void {
    this.#granted.add(from)
  }

  has(id: ActorId): boolean {
    return this.#granted.has(id)
  }

  isElected(voters: VoterSets): boolean {
    const has = (id: ActorId): boolean => this.#granted.has(id)
    return this.everyone ? voters.isEveryone(has) : voters.isMajority(has)
  }

  /** What goes with the question. */
  terms({ lastIndex, lastTerm }: Pick<AnyVote, "lastIndex" | "lastTerm">): Pick<AnyVote, "lastIndex" | "lastTerm" | "everyone" | "gone"> {
    return { lastIndex, lastTerm, ...(this.everyone ? { everyone: true } : {}), ...(this.leaderGone ? { gone: true } : {}) }
  }
}
