/**
 * Makes convergence certificates for the partitions whose first holder this replica is, and collects what a certificate lets go.
 *
 * A cut is taken over only by who voted for that very round in this life and was sure of itself: what it lacks below the cut is then dead,
 * not lost (T3). Others keep their tombstones until the next certificate.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { PARTITIONS } from "@backplane/kv-contract/limits"
import type { PeerItemOf } from "@backplane/kv-contract/peer-items"
import type { Vector } from "@backplane/kv-contract/versions"
import { CertificateRound } from "@backplane/kv-replication/certificate"
import { holdersIn, nextIn } from "@backplane/kv-replication/placement"
import type { ReplicaCore } from "./core.ts"

export class Certifier {
  readonly #core: ReplicaCore
  #open = new Map<number, { readonly round: CertificateRound; readonly cut: Vector }>()
  /** Per partition the round that this life voted for last, and with which root. */
  readonly #voted = new Map<number, { readonly round: string; readonly root: string }>()

  constructor(core: ReplicaCore) {
    this.#core = core
  }

  round(): void {
    const core = this.#core
    this.#open = new Map()
    for (let partition = 0; partition < PARTITIONS; partition++) {
      if (core.rules.collectsUncertified) for (const record of core.table.collectable(partition)) core.forgetKey(record)
      const [first] = holdersIn(core.config, partition)
      if (
        first === core.id &&
        nextIn(core.config, partition) === null &&
        !core.unsure.has(partition) &&
        core.shelf.countIn(partition) === 0 &&
        core.table.hasTombstones(partition)
      )
        this.#ask(partition)
    }
  }

  #ask(partition: number): void {
    const core = this.#core
    const tree = core.table.tree(partition)
    const holders = holdersIn(core.config, partition)
    const asked = core.config.members
      .map(({ id }) => id as ActorId)
      .filter((id) => id !== core.id && (core.rules.asksEveryMember || holders.includes(id)))
    const round = new CertificateRound({ round: core.freshId(), partition, root: tree.root(), changes: tree.changes, holders, asked })
    this.#open.set(partition, { round, cut: core.table.contextOf(partition) })
    for (const member of asked) core.outbox.send(member, { type: "certificate-ask", partition, round: round.round })
    this.#decide(partition)
  }

  onAsk(from: ActorId, { partition, round }: PeerItemOf<"certificate-ask">): void {
    const core = this.#core
    const root = core.table.tree(partition).root()
    const unsure = core.unsure.has(partition)
    if (!unsure) this.#voted.set(partition, { round, root })
    core.outbox.send(from, { type: "certificate-vote", partition, round, root, hints: core.shelf.countIn(partition), unsure })
  }

  onVote(from: ActorId, { partition, round, ...vote }: PeerItemOf<"certificate-vote">): void {
    const open = this.#open.get(partition)
    if (open?.round.round !== round) return
    open.round.vote(from, vote)
    this.#decide(partition)
  }

  #decide(partition: number): void {
    const core = this.#core
    const open = this.#open.get(partition)
    if (open === undefined) return
    const outcome = open.round.outcome(core.table.tree(partition).changes)
    if (outcome === "open") return
    this.#open.delete(partition)
    if (outcome === "failed") return
    const { round, root } = open.round
    for (const holder of holdersIn(core.config, partition))
      if (holder !== core.id) core.outbox.send(holder, { type: "certified", partition, round, root, cut: open.cut, at: core.now })
    this.#take(partition, open.cut, core.now)
  }

  onCertified({ partition, round, root, cut, at }: PeerItemOf<"certified">): void {
    const voted = this.#voted.get(partition)
    if (voted?.round === round && voted.root === root && !this.#core.unsure.has(partition)) this.#take(partition, cut, at)
  }

  #take(partition: number, cut: Vector, at: number): void {
    const core = this.#core
    core.table.certify(partition, cut, at)
    core.durable.write(`c/${partition}`, { cut: core.table.cut(partition), at }, null)
    for (const record of core.table.collectable(partition)) core.forgetKey(record)
  }
}
