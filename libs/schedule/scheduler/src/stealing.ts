/** The face that every way of finding work elsewhere shows to the scheduler. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { OfferAnswer, StealDone, StealNone, StealToken } from "@backplane/schedule-contract/steal-messages"
import type { Out } from "./scheduler-context.ts"

export type StealReply = StealNone | OfferAnswer | StealToken | StealDone

export interface Stealing {
  /** Sets the timers that looking needs; called at start and when the policy begins. */
  begin(now: VirtualTime, out: Out): void
  /** False while CPUs must not be assigned yet; then it asks for another look by itself. */
  mayDecide(now: VirtualTime, out: Out): boolean
  /** All idle CPUs that could be served from the own queue have been. */
  afterDecide(now: VirtualTime, idleCpus: readonly number[], out: Out): void
  onTimer(now: VirtualTime, key: string, out: Out): void
  onReply(now: VirtualTime, from: ActorId, reply: StealReply, out: Out): void
  /** A task has come that answers the question `stealId`. */
  onArrival(now: VirtualTime, stealId: string, out: Out): void
}

/** What stealing needs of the scheduler. */
export interface StealHost {
  readonly queueLength: () => number
  /** Nothing is looked for on behalf of a CPU that has gone. */
  readonly isOnline: (cpu: number) => boolean
  /** Asks for another look at the queue within this instant. */
  readonly decideSoon: (now: VirtualTime, out: Out) => void
}

/** Keys of the timers of stealing begin with this. */
export const STEAL_TIMER = "steal"
