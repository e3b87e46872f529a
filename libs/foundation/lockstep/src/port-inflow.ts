/**
 * What arrives at a port from other ports: drops what came twice, and tells when all that the clock expects has come.
 *
 * A message is counted for the port that hosts its sender. Expectations are (count, before): so many messages of that port that
 * are due before that time. They rise and do not overlap, so a later message never stands in for a lost earlier one.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { StampedMessage } from "./port-outflow.ts"
import type { Expectation, PortId, Roster } from "./protocol.ts"

/** A message's number is era × this + the sender's count, where the era is the version of the roster that it was sent under. */
const ERA = 2 ** 32

/** The number of a sender's `count`-th message. Rises, as the agenda's order wants it. */
export function sequenceOf(rosterVersion: number, count: number): number {
  return rosterVersion * ERA + count
}

export interface InflowCounts {
  /** Came again, by a resend or a fault. */
  repeated: number
  /** Due at a time that is over, or sent under a roster that is over: what was to be waited for then had come. */
  late: number
  /** Their sender is not in the roster, or their receiver is not here by the roster. */
  unknown: number
}

export class PortInflow {
  readonly counts: InflowCounts = { repeated: 0, late: 0, unknown: 0 }
  readonly #port: PortId
  #rosterVersion = 0
  /** Who hosts whom, by the roster in force. */
  #sources = new Map<ActorId, PortId>()
  /** Due times of what came from each port and was not asked for yet. */
  #unconfirmed = new Map<PortId, VirtualTime[]>()
  /** What came, by sender, number and due time; forgotten when its time is over. */
  readonly #seen = new Map<string, VirtualTime>()

  constructor(port: PortId) {
    this.#port = port
  }

  takeOver(roster: Roster): void {
    this.#sources = new Map(roster.ports.flatMap(({ port, actors }) => actors.map(({ id }) => [id, port] as const)))
    this.#rosterVersion = roster.version
    // The roster changes only when nothing is on its way.
    this.#unconfirmed.clear()
  }

  /** Who hosts `actor`, or undefined. */
  portOf(actor: ActorId): PortId | undefined {
    return this.#sources.get(actor)
  }

  /** Counts a message; false where it must not be handled. `over`: everything before is handled. */
  accept(message: Pick<StampedMessage, "from" | "to" | "at" | "sequence">, over: VirtualTime): boolean {
    const { from, to, at, sequence } = message
    const source = this.#sources.get(from)
    // Senders count by the roster: what is not for an actor of this port by the roster was not counted for it.
    if (source === undefined || this.#sources.get(to) !== this.#port) return this.#refuse("unknown")
    if (at < over || Math.floor(sequence / ERA) !== this.#rosterVersion) return this.#refuse("late")
    const key = `${from} ${sequence} ${at}`
    if (this.#seen.has(key)) return this.#refuse("repeated")
    this.#seen.set(key, at)
    const unconfirmed = this.#unconfirmed.get(source)
    if (unconfirmed === undefined) this.#unconfirmed.set(source, [at])
    else unconfirmed.push(at)
    return true
  }

  /** The ports whose messages are still missing. */
  missing(expectations: readonly Expectation[]): PortId[] {
    return expectations.filter(({ from, count, before }) => this.#countBefore(from, before) < count).map(({ from }) => from)
  }

  /** What was expected has come and will not be asked for again. */
  confirm(expectations: readonly Expectation[]): void {
    for (const { from, before } of expectations) {
      const rest = (this.#unconfirmed.get(from) ?? []).filter((at) => at >= before)
      this.#unconfirmed.set(from, rest)
    }
  }

  /** Everything before `over` is handled: its copies are known by their time. */
  forget(over: VirtualTime): void {
    for (const [key, at] of this.#seen) if (at < over) this.#seen.delete(key)
  }

  #countBefore(port: PortId, before: VirtualTime): number {
    let count = 0
    for (const at of this.#unconfirmed.get(port) ?? []) if (at < before) count++
    return count
  }

  #refuse(why: keyof InflowCounts): false {
    this.counts[why]++
    return false
  }
}
