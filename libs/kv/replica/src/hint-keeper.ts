/**
 * Hands the hints on the shelf to those they are for, until they have them on disk.
 *
 * Each target has a few under way at a time; when it has acknowledged those it gets the next. What it does not acknowledge is offered again with the next
 * round while it is silent, for it may have just come back; later each time while it answers other things, for then it has much to do, and a repeat would be
 * one thing more. An acknowledgement counts whenever it comes.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { closeSpan, openSpan } from "@backplane/foundation-actor/effects"
import type { PeerItemOf } from "@backplane/kv-contract/peer-items"
import type { Hint } from "@backplane/kv-replication/hint-shelf"
import { reconcileAttributes } from "./reconcile-attributes.ts"
import type { ReplicaCore } from "./core.ts"
import type { Asked } from "./peer-pace.ts"
import { sizeOf } from "./write-traces.ts"

/** Under way to one target; of large ones fewer, or they would fill the link to it. */
const HINTS_UNDER_WAY_MAX = 256
const BYTES_UNDER_WAY_MAX = 4 * 1024 * 1024
/** A target that is busy is waited for up to 2 to the power of this rounds. */
const DOUBLINGS_MAX = 3

interface Offer {
  readonly id: string
  asked: Asked
  /** How often it was offered while its target answered other things. */
  again: number
}

export class HintKeeper {
  readonly #core: ReplicaCore
  /** What is under way. A hint on the shelf is another object as soon as it has another state. */
  #offers = new Map<Hint, Offer>()
  #hints = new Map<string, Hint>()

  constructor(core: ReplicaCore) {
    this.#core = core
  }

  round(): void {
    const { shelf } = this.#core
    const hints = shelf.next(HINTS_UNDER_WAY_MAX)
    const offers = hints.flatMap((hint): [Hint, Offer][] => {
      const offer = this.#offers.get(hint)
      return offer === undefined ? [] : [[hint, offer]]
    })
    this.#offers = new Map(offers)
    this.#hints = new Map(offers.map(([hint, { id }]) => [id, hint]))
    this.#offer(hints)
  }

  /** Those that are not under way, or have been so for too long. */
  #offer(all: readonly Hint[]): void {
    const core = this.#core
    const bytes = new Map<ActorId, number>()
    const due: Hint[] = []
    for (const hint of all) {
      if (core.lone.has(hint)) continue
      // Who keeps the key no more needs no hint of it: those who came in its place were part of every quorum since.
      if (!core.keepers(hint).includes(hint.target)) {
        core.unshelve(hint)
        continue
      }
      const before = bytes.get(hint.target) ?? 0
      const size = sizeOf([hint.state])
      if (before > 0 && before + size > BYTES_UNDER_WAY_MAX) continue
      bytes.set(hint.target, before + size)
      if (this.#isDue(hint)) due.push(hint)
    }
    if (due.length > 0) this.#send(due)
  }

  #isDue(hint: Hint): boolean {
    const { now, timings, pace } = this.#core
    const offer = this.#offers.get(hint)
    if (offer === undefined) return true
    const age = now - offer.asked.at
    if (age < timings.hintRound * 2 ** Math.min(offer.again, DOUBLINGS_MAX)) return false
    offer.again = pace.isSilent(hint.target, now, age) ? 0 : offer.again + 1
    return true
  }

  #send(hints: readonly Hint[]): void {
    const core = this.#core
    const replicas = [...new Set(hints.map(({ target }) => target))].join(" ")
    const attributes = { ...reconcileAttributes(core, hints), "backplane.replicas": replicas }
    const span = `hint/${core.freshId()}`
    core.outbox.effect(
      openSpan(span, "kv.reconcile hint", attributes, { root: true, links: core.traces.linksOf(hints.map(({ state }) => state)) }),
    )
    const asked = core.pace.asked(core.now)
    for (const hint of hints) {
      const offer = this.#offers.get(hint) ?? { id: core.freshId(), asked, again: 0 }
      offer.asked = asked
      this.#offers.set(hint, offer)
      this.#hints.set(offer.id, hint)
      const { target, bucket, key, state } = hint
      core.outbox.send(target, { type: "replicate", id: offer.id, bucket, key, state, reason: "hint" }, span)
      if (core.rules.forgetsHintsEarly) core.unshelve(hint)
    }
    core.outbox.atEnd(closeSpan(span))
  }

  onReplicated(from: ActorId, { id, ok, held }: PeerItemOf<"replicated">): void {
    const hint = this.#hints.get(id)
    const offer = hint === undefined ? undefined : this.#offers.get(hint)
    if (hint === undefined || offer === undefined || !ok || held === true || hint.target !== from) return
    const { pace, now } = this.#core
    pace.answered(from, offer.asked, { now, isFirst: false })
    this.#hints.delete(id)
    this.#offers.delete(hint)
    this.#core.unshelve(hint)
    for (const { target } of this.#offers.keys()) if (target === from) return
    // It has all that was under way to it.
    this.#offer(this.#core.shelf.next(HINTS_UNDER_WAY_MAX).filter(({ target }) => target === from))
  }
}
