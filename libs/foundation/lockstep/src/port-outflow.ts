/** What a port sent to other ports: counted for the clock, kept until the receivers are known to have it. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Body } from "@backplane/foundation-actor/machine"
import type { TraceContext } from "@backplane/foundation-actor/trace-context"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { earlier } from "./safe-bounds.ts"
import type { LockstepGrant, PortId, SentCount } from "./protocol.ts"

export interface StampedMessage {
  readonly from: ActorId
  readonly to: ActorId
  readonly at: VirtualTime
  readonly sequence: number
  readonly body: Body
  readonly trace: TraceContext | undefined
}

export class PortOutflow {
  /** By receiver, in the order of sending: what it is not known to have. Bounded by what one grant may send. */
  #kept = new Map<PortId, StampedMessage[]>()
  /** The same, of before the last change of the roster. */
  #retired = new Map<PortId, StampedMessage[]>()
  /** Since the last report. */
  #sent = new Map<PortId, { count: number; earliest: VirtualTime }>()
  #sinceReport = 0

  /** Messages sent since the last report. */
  get sinceReport(): number {
    return this.#sinceReport
  }

  add(to: PortId, message: StampedMessage): void {
    const kept = this.#kept.get(to)
    if (kept === undefined) this.#kept.set(to, [message])
    else kept.push(message)
    const sent = this.#sent.get(to)
    this.#sent.set(to, { count: (sent?.count ?? 0) + 1, earliest: earlier(sent?.earliest ?? null, message.at) ?? message.at })
    this.#sinceReport++
  }

  /** The counts since the last report. */
  report(): SentCount[] {
    const sent = [...this.#sent].map(([to, { count, earliest }]) => ({ to, count, earliest }))
    this.#sent = new Map()
    this.#sinceReport = 0
    return sent
  }

  acknowledge(acked: LockstepGrant["acked"]): void {
    for (const { to, before } of acked) {
      const rest = (this.#kept.get(to) ?? []).filter(({ at }) => at >= before)
      if (rest.length === 0) this.#kept.delete(to)
      else this.#kept.set(to, rest)
    }
  }

  /** What `to` may be missing. */
  keptFor(to: PortId): readonly StampedMessage[] {
    return [...(this.#retired.get(to) ?? []), ...(this.#kept.get(to) ?? [])]
  }

  /** The roster changes: this port has all that it waits for, but others may still be waiting for what it sent. */
  retire(): void {
    this.#retired = this.#kept
    this.#kept = new Map()
    this.report()
  }

  /** All have taken over the roster: nothing of before is on its way. */
  dropRetired(): void {
    this.#retired.clear()
  }
}
