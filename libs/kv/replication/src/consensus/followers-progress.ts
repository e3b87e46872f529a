/** What a leader knows of the others: how far each has its log on disk, and which read round each confirmed. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { AppendAnswer } from "./group-types.ts"

export interface Progress {
  /** First entry that the follower is thought to lack. */
  next: number
  /** Last entry that it is known to have on disk as the leader has it. */
  match: number
  /** The latest read round that it confirmed. */
  round: number
  /** False for one that only learns: it has things, and counts for nothing. */
  voter: boolean
}

/** Voters, and what the leader `id` itself counts for where it is one of them. */
export interface VoterSet {
  readonly ids: readonly ActorId[]
  readonly id: ActorId
  readonly own: number
}

/** Where an entry of the log lies on disk. */
export interface Held {
  readonly index: number
  readonly holders: readonly ActorId[]
  /** Nobody lacks it, learners included. */
  readonly everywhere: boolean
}

export class FollowersProgress {
  readonly #followers = new Map<ActorId, Progress>()

  /** A new term of leading: nothing is known yet. */
  begin(followers: readonly ActorId[], next: number): void {
    this.#followers.clear()
    for (const follower of followers) this.#followers.set(follower, { next, match: 0, round: 0, voter: true })
  }

  /** Other followers while leading goes on: what is known of those that stay, stays known. */
  keep(followers: readonly ActorId[], next: number): void {
    for (const known of [...this.#followers.keys()]) if (!followers.includes(known)) this.#followers.delete(known)
    for (const follower of followers)
      if (!this.#followers.has(follower)) this.#followers.set(follower, { next, match: 0, round: 0, voter: true })
  }

  of(follower: ActorId): Progress | undefined {
    return this.#followers.get(follower)
  }

  /** What its answer says of it; undefined: it is no follower. */
  answered(follower: ActorId, { ok, match, round, voter }: AppendAnswer): Progress | undefined {
    const progress = this.#followers.get(follower)
    if (progress === undefined) return undefined
    progress.voter = voter
    progress.round = Math.max(progress.round, round)
    if (!ok) {
      progress.next = Math.max(1, Math.min(progress.next - 1, match + 1))
      return progress
    }
    progress.match = voter ? Math.max(progress.match, match) : match
    progress.next = Math.max(progress.next, match + 1)
    return progress
  }

  /** The greatest index that `majority` of the set have. */
  matchOf(majority: number, set: VoterSet): number {
    return this.#greatest(majority, set, ({ match }) => match)
  }

  /** The greatest index that every one has, learners too. */
  matchOfAll(own: number): number {
    return Math.min(own, ...[...this.#followers.values()].map(({ match }) => match))
  }

  heldBy(index: number, { id, own }: Pick<VoterSet, "id" | "own">): Pick<Held, "holders" | "everywhere"> {
    const followers = [...this.#followers].flatMap(([follower, { match }]) => (match >= index ? [follower] : []))
    const holders = own >= index ? [id, ...followers] : followers
    return { holders, everywhere: holders.length > this.#followers.size }
  }

  /** False while one of them only learns. */
  get areVoters(): boolean {
    return [...this.#followers.values()].every(({ voter }) => voter)
  }

  /** The latest round that `majority` of the set confirmed. */
  roundOf(majority: number, set: VoterSet): number {
    return this.#greatest(majority, set, ({ round }) => round)
  }

  #greatest(majority: number, { ids, id, own }: VoterSet, count: (progress: Progress) => number): number {
    const counts = ids.map((voter) => {
      if (voter === id) return own
      const progress = this.#followers.get(voter)
      return progress?.voter === true ? count(progress) : 0
    })
    return counts.sort((a, b) => b - a)[majority - 1] ?? 0
  }
}
