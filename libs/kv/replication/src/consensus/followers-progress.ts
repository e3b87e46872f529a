/** What a leader knows of the others: how far each has its log on disk, and which read round each confirmed. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"

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

export class FollowersProgress {
  readonly #followers = new Map<ActorId, Progress>()

  /** A new term of leading: nothing is known yet. */
  begin(followers: readonly ActorId[], next: number): void {
    this.#followers.clear()
    for (const follower of followers) this.#followers.set(follower, { next, match: 0, round: 0, voter: true })
  }

  of(follower: ActorId): Progress | undefined {
    return this.#followers.get(follower)
  }

  /** The greatest index that `majority` replicas have, the leader with `own` among them. */
  matchOf(majority: number, own: number): number {
    return this.#greatest(majority, own, ({ match }) => match)
  }

  /** The latest round that `majority` replicas confirmed, the leader with `own` among them. */
  roundOf(majority: number, own: number): number {
    return this.#greatest(majority, own, ({ round }) => round)
  }

  #greatest(majority: number, own: number, count: (progress: Progress) => number): number {
    const counts = [...this.#followers.values()].map((progress) => (progress.voter ? count(progress) : 0))
    return [own, ...counts].sort((a, b) => b - a)[majority - 1] ?? 0
  }
}
