/**
 * What every bus promises: at most once, per-publisher order unless a fault plan says otherwise, bounded queues.
 * One conformance suite runs on all of them (foundation/runtime/suite).
 */
import type { ActorId } from "./actor-id.ts"
import type { Envelope } from "./envelope.ts"

export interface Bus {
  /** Hands the message over; never blocks and never throws for a peer that is not there. */
  publish(envelope: Envelope): void
  /** Delivers what is addressed to `actor` of `machine` until the returned function is called. One handler an actor. */
  subscribe(machine: string, actor: ActorId, handler: (envelope: Envelope) => void): () => void
}
