/**
 * What a replica knows of how fast each of its peers answers, so that a busy one is not asked again as if it were gone.
 *
 * Whatever is sent to a peer gets a number; links and logs keep order, so a peer that answered a later number than one that is still open has
 * probably lost that one. A peer that answers, but not so far yet, is busy: it is waited for. One that answers nothing for as long as its answers
 * take of late is asked again.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { Patience, type PatienceLimits } from "@backplane/kv-replication/patience"

/** Who was silent and speaks again has only just begun, most likely: for so long it runs slow code, and others are asked rather. Cycles. */
const BEGINS_CYCLES = 1_000_000

interface Peer {
  readonly patience: Patience
  /** The latest number that it answered. */
  answered: number
  /** When it last answered anything. */
  heardAt: number
  /** Undefined: it answers. Null: it did not when it was asked last, or is gone. Else when it spoke again. */
  back: number | null | undefined
}

/** A question that is on its way. */
export interface Asked {
  readonly number: number
  readonly at: number
}

export class PeerPace {
  readonly #limits: PatienceLimits
  readonly #peers = new Map<ActorId, Peer>()
  #numbers = 0

  constructor(limits: PatienceLimits) {
    this.#limits = limits
  }

  asked(now: number): Asked {
    return { number: ++this.#numbers, at: now }
  }

  /** `isFirst`: the question was sent once, so the answer is to that. */
  answered(peer: ActorId, { number, at }: Asked, { now, isFirst }: { readonly now: number; readonly isFirst: boolean }): void {
    const of = this.#of(peer)
    of.heardAt = now
    of.answered = Math.max(of.answered, number)
    if (isFirst) of.patience.answered(now - at)
  }

  /** Whether the peer is to be asked once more: it has lost the question, most likely, or is silent altogether. */
  isOverdue(peer: ActorId, { number, at }: Asked, now: number): boolean {
    const of = this.#of(peer)
    const { cycles } = of.patience
    if (now - at < cycles) return false
    return of.answered > number || now - of.heardAt >= cycles
  }

  /** Its patience has ended: the next one is longer. */
  wasAskedAgain(peer: ActorId): void {
    this.#of(peer).patience.ended()
  }

  /** It is known to be gone. */
  gone(peer: ActorId): void {
    this.#of(peer).back = null
  }

  /** It did not answer the question in its time; one that answered something since is only busy. */
  missed(peer: ActorId, { at }: Asked): void {
    const of = this.#of(peer)
    if (of.heardAt < at) of.back = null
  }

  /** It said something. */
  spoke(peer: ActorId, now: number): void {
    const of = this.#peers.get(peer)
    if (of?.back === undefined) return
    if (of.back === null) of.back = now
    else if (now - of.back >= BEGINS_CYCLES) of.back = undefined
  }

  /** Who is asked first: 0 those that answer, 1 those that have just begun to speak again, 2 those that do not. */
  rank(peer: ActorId): number {
    const back = this.#peers.get(peer)?.back
    return back === undefined ? 0 : back === null ? 2 : 1
  }

  /** Whether the peer answered nothing for so long. */
  isSilent(peer: ActorId, now: number, cycles: number): boolean {
    return now - this.#of(peer).heardAt >= cycles
  }

  #of(peer: ActorId): Peer {
    const known = this.#peers.get(peer)
    if (known !== undefined) return known
    const peerNew: Peer = { patience: new Patience(this.#limits), answered: 0, heardAt: Number.NEGATIVE_INFINITY, back: undefined }
    this.#peers.set(peer, peerNew)
    return peerNew
  }
}
