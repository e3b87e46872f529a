/**
 * Takes over states that others send: joins them in, or keeps them for a replica that is away; acknowledges when they are on disk (D1).
 *
 * A write that meets versions its coordinator did not know is repaired at once: the join goes to all holders (write repair).
 */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { closeSpan, noteSpan, openSpan } from "@backplane/foundation-actor/effects"
import type { PeerItemOf } from "@backplane/kv-contract/peer-items"
import type { Dot, KeyState } from "@backplane/kv-contract/versions"
import { deadDots } from "@backplane/kv-versioning/doubt"
import { hexOf, placeName, ZERO_HASH } from "@backplane/kv-replication/hash"
import { sizeOf } from "./write-traces.ts"
import type { ReplicaCore } from "./core.ts"
import type { Place } from "./key-table.ts"

export class StateKeeper {
  readonly #core: ReplicaCore

  constructor(core: ReplicaCore) {
    this.#core = core
  }

  /** Joins the state in, or keeps it for another; acknowledged when it is on disk (D1). */
  onReplicate(from: ActorId, item: PeerItemOf<"replicate">, refused: readonly Dot[] = []): void {
    const { id, bucket, key, state, reason, holdFor, trace, weak } = item
    const core = this.#core
    if (core.bucket(bucket) === undefined) return
    // What a stand-in kept may have been promised by stand-ins alone.
    const isOfHolder = holdFor === undefined && (reason !== "hint" || core.holders({ bucket, key }).includes(from))
    if (isOfHolder && core.doubts.holdsBack(from, { bucket, key }, state, (dots) => this.onReplicate(from, item, dots))) return
    if (reason !== "write") core.outbox.effect(noteSpan(`kv.reconcile ${reason}`, { "backplane.key": `${bucket}/${key}` }))
    if (trace !== undefined) {
      core.traces.remember(state, trace)
      core.outbox.effect(openSpan(`copy/${id}`, "kv.copy", { "backplane.key": placeName(bucket, key) }))
    }
    if (holdFor === undefined) {
      const place = { bucket, key }
      if (!core.isKeeper(place)) return
      const before = core.table.stateOf(place)
      const wasShown = !core.isUndurable(place)
      const all = refused.length > 0 ? refused : this.#dead(place, before, state)
      const dead = all.length === 0 ? {} : { refused: all }
      core.absorb(place, state, { kind: "acknowledge", to: from, id, held: false, ...dead }, weak === true || !isOfHolder)
      if (reason === "write" && wasShown) this.#writeRepair(place, { before, written: state })
      return
    }
    const kept = core.shelve({ target: actorId(holdFor), bucket, key, state }, { kind: "acknowledge", to: from, id, held: true })
    if (!kept) core.outbox.send(from, { type: "replicated", id, ok: core.rules.acknowledgesRefusedHint, held: true })
  }

  /** Who refused a version tells that to whoever hears of the key from it; what comes later of that version is answered alike. */
  #dead(place: Place, before: KeyState, state: KeyState): readonly Dot[] {
    return this.#core.canDoubt(place.bucket) ? deadDots(before, state) : []
  }

  /** A write that met versions its coordinator did not know: the join of both goes to all who hold the key. */
  #writeRepair(place: Place, { before, written }: { readonly before: KeyState; readonly written: KeyState }): void {
    const core = this.#core
    const joined = core.table.stateOf(place)
    // Nearly always: what was written replaced all that was here, and only the requests that are remembered were joined.
    if (isSameContent(joined, written) || isSameContent(joined, before)) return
    const [had, made, got] = [before, joined, written].map((state) => hexOf(core.rules.stateHash(state) ?? ZERO_HASH))
    if (made === got || made === had) return
    const span = `write-repair/${core.freshId()}`
    const winner = joined.versions.at(-1)
    const attributes = {
      "backplane.key": placeName(place.bucket, place.key),
      "backplane.rule": core.reconciler(place.bucket).rule,
      "backplane.siblings": joined.versions.length,
      "backplane.winner": winner === undefined ? "" : winner.dot.join("#"),
      "backplane.bytes": sizeOf([joined]),
      "backplane.replicas": core.keepers(place).join(" "),
    }
    const links = core.traces.linksOf([before, written, joined])
    core.outbox.effect(openSpan(span, "kv.reconcile write-repair", attributes, { root: true, links }))
    const item = { type: "replicate", id: core.freshId(), ...place, state: joined, reason: "write-repair" } as const
    for (const holder of core.keepers(place)) if (holder !== core.id) core.outbox.send(holder, item, span)
    core.outbox.atEnd(closeSpan(span))
  }
}

/** The same object in all but the requests that it remembers, which no hash counts: no need to work hashes out. */
function isSameContent(a: KeyState, b: KeyState): boolean {
  return a.context === b.context && a.versions === b.versions && a.crdt === b.crdt
}
