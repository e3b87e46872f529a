/**
 * Who has agreed that this replica leads, and on what terms it asked: for promises first, which bind nobody, then for the votes of a term.
 *
 * The votes of a term stay good as long as the term is the latest one known, though their candidate may have begun to ask for promises of the
 * next by then: a majority of them makes it the leader, for nobody else can have one.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { AnyVote } from "./group-types.ts"
import type { VoterSets } from "./voter-sets.ts"

/** What others were asked for, and who has given it. */
interface Asked {
  /** Every voter has to agree (C6). */
  readonly everyone: boolean
  readonly granted: Set<ActorId>
}

type Terms = Pick<AnyVote, "lastIndex" | "lastTerm" | "everyone" | "gone">

export class Candidacy {
  /** The host has said that the leader is gone, not only silent: others need not trust it any longer either. Until one is heard. */
  leaderGone = false
  #promises: Asked = { everyone: false, granted: new Set() }
  #votes: Asked & { readonly term: number } = { ...this.#promises, term: 0 }
  /** Who answered, with yes or no, since promises were asked for last. */
  #answered = new Set<ActorId>()

  askPromises(everyone: boolean): void {
    this.#promises = { everyone, granted: new Set() }
    this.#answered = new Set()
  }

  promisedBy(from: ActorId): void {
    this.#promises.granted.add(from)
  }

  isPromised(voters: VoterSets): boolean {
    return isGranted(this.#promises, voters)
  }

  answeredBy(from: ActorId): void {
    this.#answered.add(from)
  }

  /** All others answered and no majority promised, so some of them may only learn (C6). Where one is silent, everyone would not agree either. */
  mayNeedEveryone(others: readonly ActorId[]): boolean {
    return !this.#promises.everyone && others.every((each) => this.#answered.has(each))
  }

  /** On the terms of the promises. */
  askVotes(term: number): void {
    this.#votes = { everyone: this.#promises.everyone, granted: new Set(), term }
  }

  votedBy(from: ActorId, term: number): void {
    if (this.#votes.term === term) this.#votes.granted.add(from)
  }

  /** With the own vote, which counts like any other once it is on disk. */
  isElected(id: ActorId, term: number, voters: VoterSets): boolean {
    return this.#votes.term === term && this.#votes.granted.has(id) && isGranted(this.#votes, voters)
  }

  /** What was elected last needed every voter, and so does what it commits (C6). */
  get electedByEveryone(): boolean {
    return this.#votes.everyone
  }

  /** None of the voters learns any more. */
  needsMajority(): void {
    this.#votes = { ...this.#votes, everyone: false }
  }

  /** What goes with a question for promises, or with one for votes. */
  terms(what: "promises" | "votes", { lastIndex, lastTerm }: Pick<AnyVote, "lastIndex" | "lastTerm">): Terms {
    const { everyone } = what === "promises" ? this.#promises : this.#votes
    return { lastIndex, lastTerm, ...(everyone ? { everyone: true } : {}), ...(this.leaderGone ? { gone: true } : {}) }
  }
}

function isGranted({ everyone, granted }: Asked, voters: VoterSets): boolean {
  const has = (id: ActorId): boolean => granted.has(id)
  return everyone ? voters.isEveryone(has) : voters.isMajority(has)
}
