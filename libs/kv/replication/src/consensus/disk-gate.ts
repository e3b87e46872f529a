/**
 * What may be told once the disk has it: tickets for writes, and answers that wait for them.
 *
 * Writes reach the disk in order, so a notice for one stands for all before it.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { ConsensusMessage } from "@backplane/kv-contract/consensus-items"

interface Written {
  readonly index: number
  readonly term: number
  readonly meta: number
}

interface Held extends Written {
  readonly to: ActorId
  readonly message: ConsensusMessage
}

export class DiskGate {
  /** Highest index whose entry is on this disk. */
  durableIndex: number
  /** Writes of term and vote so far, and how many of them are on disk. */
  #metaWritten = 0
  #metaDurable = 0
  #nextTicket = 1
  readonly #tickets = new Map<number, Written>()
  #held: Held[] = []

  constructor(durableIndex: number) {
    this.durableIndex = durableIndex
  }

  get isMetaDurable(): boolean {
    return this.#metaDurable === this.#metaWritten
  }

  metaWritten(): void {
    this.#metaWritten++
  }

  /** For a write after which the log ends at `index` with `term`. */
  ticket(index: number, term: number): number {
    const ticket = this.#nextTicket++
    this.#tickets.set(ticket, { index, term, meta: this.#metaWritten })
    return ticket
  }

  /** The write is on disk; `termAt` tells whether the entry is still the same. */
  durable(ticket: number, termAt: (index: number) => number | null): void {
    const written = this.#tickets.get(ticket)
    if (written === undefined) return
    this.#tickets.delete(ticket)
    if (termAt(written.index) === written.term) this.durableIndex = Math.max(this.durableIndex, written.index)
    this.#metaDurable = Math.max(this.#metaDurable, written.meta)
  }

  /** An answer of `term` that may leave once entries up to `index` and the present term and vote are on disk. */
  hold(to: ActorId, message: ConsensusMessage, promise: { readonly index: number; readonly term: number }): void {
    this.#held.push({ ...promise, meta: this.#metaWritten, to, message })
  }

  /** Answers that may leave now. One of an older term never does: what it promises may since have been cut. */
  release(term: number): readonly { readonly to: ActorId; readonly message: ConsensusMessage }[] {
    const current = this.#held.filter((each) => each.term === term)
    const ready = current.filter(({ index, meta }) => index <= this.durableIndex && meta <= this.#metaDurable)
    this.#held = current.filter((each) => !ready.includes(each))
    return ready
  }
}
