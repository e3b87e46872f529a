/** Hands the hints on the shelf to those they are for, round after round, until they have them on disk. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { closeSpan, openSpan } from "@backplane/foundation-actor/effects"
import type { PeerItemOf } from "@backplane/kv-contract/peer-items"
import type { Hint } from "@backplane/kv-replication/hint-shelf"
import { reconcileAttributes } from "./reconcile-attributes.ts"
import type { ReplicaCore } from "./core.ts"

/** Hints that one round offers each absent replica. */
const HINTS_PER_ROUND = 256

export class HintKeeper {
  readonly #core: ReplicaCore
  /** What the last round offered, by id. */
  #offered = new Map<string, Hint>()

  constructor(core: ReplicaCore) {
    this.#core = core
  }

  round(): void {
    const core = this.#core
    const all = core.shelf.next(HINTS_PER_ROUND).filter((hint) => !core.lone.has(hint))
    // Who keeps the key no more needs no hint of it: those who came in its place were part of every quorum since.
    const isWanted = (hint: Hint): boolean => core.keepers(hint).includes(hint.target)
    for (const hint of all) if (!isWanted(hint)) core.unshelve(hint)
    const hints = all.filter(isWanted)
    this.#offered = new Map()
    if (hints.length === 0) return
    const replicas = [...new Set(hints.map(({ target }) => target))].join(" ")
    const attributes = { ...reconcileAttributes(core, hints), "backplane.replicas": replicas }
    const span = `hint/${core.freshId()}`
    core.outbox.effect(
      openSpan(span, "kv.reconcile hint", attributes, { root: true, links: core.traces.linksOf(hints.map(({ state }) => state)) }),
    )
    for (const hint of hints) {
      const id = core.freshId()
      this.#offered.set(id, hint)
      core.outbox.send(hint.target, { type: "replicate", id, bucket: hint.bucket, key: hint.key, state: hint.state, reason: "hint" }, span)
      if (core.rules.forgetsHintsEarly) core.unshelve(hint)
    }
    core.outbox.atEnd(closeSpan(span))
  }

  onReplicated(from: ActorId, { id, ok, held }: PeerItemOf<"replicated">): void {
    const hint = this.#offered.get(id)
    if (hint === undefined || !ok || held === true || hint.target !== from) return
    this.#core.unshelve(hint)
  }
}
