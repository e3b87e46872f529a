/**
 * A convergence certificate: "partition p: all replicas were equal up to causal cut C at time T".
 *
 * Procedure: a holder asks *every* member: the holders for the root of the partition, the others whether they keep hints for it. The
 * certificate stands if all answered, all roots are the asker's own, nobody holds a hint, nobody is unsure of itself, and the asker's own tree did
 * not change from question to last answer. Then every event of the cut that anybody keeps is kept by every holder, so what an event of the cut
 * once was and no holder has is dead: tombstones within the cut may go, and a late message that brings such an event is old news.
 * Limit: a partition that is written without a pause, or one member that is away, gets no certificate and keeps its tombstones.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"

export interface Vote {
  readonly root: string
  readonly hints: number
  readonly unsure: boolean
}

export class CertificateRound {
  readonly round: string
  readonly partition: number
  readonly root: string
  /** Changes of the asker's tree when it asked. */
  readonly changes: number
  readonly #holders: ReadonlySet<ActorId>
  readonly #awaited: Set<ActorId>
  #failed: string | null = null

  constructor(options: {
    readonly round: string
    readonly partition: number
    readonly root: string
    readonly changes: number
    readonly holders: readonly ActorId[]
    readonly asked: readonly ActorId[]
  }) {
    this.round = options.round
    this.partition = options.partition
    this.root = options.root
    this.changes = options.changes
    this.#holders = new Set(options.holders)
    this.#awaited = new Set(options.asked)
  }

  vote(from: ActorId, vote: Vote): void {
    if (!this.#awaited.delete(from)) return
    if (vote.hints > 0) this.#failed = "hints"
    else if (vote.unsure) this.#failed = "unsure"
    else if (this.#holders.has(from) && vote.root !== this.root) this.#failed = "roots differ"
  }

  outcome(changesNow: number): "open" | "failed" | "equal" {
    if (this.#failed !== null || changesNow !== this.changes) return "failed"
    return this.#awaited.size > 0 ? "open" : "equal"
  }
}
