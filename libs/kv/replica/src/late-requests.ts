/**
 * Which requests come too late to be done.
 *
 * A copy of a request may wait for seconds, at a replica that stands still or on its way. Its requester has then asked another replica, and others have
 * written since. A key remembers only its last requests (kv/versioning, `done.ts`), so behind enough of them the copy would be done a second time and
 * bring back what was replaced. Whoever still waits for a request that was refused here asks again.
 *
 * Hosts' clocks differ, so no time is compared with another's as it is: of each sender the quickest message of late tells how far the clocks are
 * apart (as NTP takes the sample of least delay), and what took `limit` longer than that is late. Where a sender's messages were late for so long that it is
 * rather the clocks that have moved, the quickest of those is the measure from then on.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"

const SENDERS_MAX = 4096
/** How long a quickest message counts, in limits: clocks drift. */
const WINDOW_LIMITS = 30

interface Sender {
  /** When the window began; the least time that a message took, by the two clocks, in it and in the one before. */
  began: number
  least: number
  leastBefore: number
  /** Since when all that came was late, and the least that it took. */
  late: { readonly since: number; least: number } | null
}

export class LateRequests {
  readonly #limit: number
  /** Oldest use first. */
  readonly #senders = new Map<ActorId, Sender>()

  /** `limit` in cycles. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Told of each message once, when it is taken up: `sent` by its sender's clock, `now` by ours. */
  isLate(from: ActorId, sent: number, now: number): boolean {
    const took = now - sent
    const sender = this.#senders.get(from) ?? { began: now, least: took, leastBefore: took, late: null }
    this.#remember(from, sender)
    if (took - Math.min(sender.least, sender.leastBefore) >= this.#limit && !this.#hasMoved(sender, took, now)) return true
    sender.late = null
    if (now - sender.began >= WINDOW_LIMITS * this.#limit) {
      sender.leastBefore = sender.least
      sender.least = took
      sender.began = now
    }
    sender.least = Math.min(sender.least, took)
    return false
  }

  /** What waited is through in a moment, and then comes what was sent just now. Where that is late too, the clocks have moved. */
  #hasMoved(sender: Sender, took: number, now: number): boolean {
    sender.late ??= { since: now, least: took }
    sender.late.least = Math.min(sender.late.least, took)
    if (now - sender.late.since < this.#limit) return false
    sender.least = sender.late.least
    sender.leastBefore = sender.late.least
    return took - sender.least < this.#limit
  }

  #remember(from: ActorId, sender: Sender): void {
    this.#senders.delete(from)
    this.#senders.set(from, sender)
    if (this.#senders.size <= SENDERS_MAX) return
    const [oldest] = this.#senders.keys()
    if (oldest !== undefined) this.#senders.delete(oldest)
  }
}
