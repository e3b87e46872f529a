/** Counts of what a bus did and the notices of what it could not do: nothing is dropped in silence. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Envelope } from "@backplane/foundation-actor/envelope"
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { EventSink } from "./sinks.ts"

/** Each is a count of messages, except `frames` and `malformed` (NATS messages) and `refused` (permission violations). */
export interface BusCounts {
  sent: number
  received: number
  /** Batches sent. */
  frames: number
  /** No JSON, or a broken frame. */
  malformed: number
  /** Refused by the codec. */
  rejected: number
  /** Larger than the bus carries, or not JSON: not sent. */
  oversize: number
  /** Not sent because the queue was full or the server away. */
  dropped: number
  /** Permission violations that the server reported. */
  refused: number
}

export type BusProblem = "malformed" | "rejected" | "oversize" | "dropped" | "refused"

/** In each second at most so many events about one kind of problem: counting goes on. */
const EVENTS_PER_PROBLEM_MAX = 32

export class BusLedger {
  readonly counts: BusCounts = { sent: 0, received: 0, frames: 0, malformed: 0, rejected: 0, oversize: 0, dropped: 0, refused: 0 }
  readonly #events: EventSink
  readonly #told = new Map<BusProblem, { second: number; count: number }>()

  constructor(events: EventSink) {
    this.#events = events
  }

  problem(problem: BusProblem, about: Pick<Envelope, "machine" | "from" | "to">, field: string, reason: string): void {
    this.counts[problem]++
    const second = Math.floor(performance.now() / 1000)
    const told = this.#told.get(problem)
    const count = told?.second === second ? told.count + 1 : 1
    this.#told.set(problem, { second, count })
    if (count > EVENTS_PER_PROBLEM_MAX) return
    const { machine, from, to } = about
    this.#events.event({ name: `bus.${problem}`, level: "warn", machine, fields: { from, to, field, reason, count: this.counts[problem] } })
  }
}

/** Stands for a sender that cannot be named. */
export const NOBODY: ActorId = actorId("nobody.0")
