/**
 * Requests for registers that wait until their partition has a leader, and those that were passed on to one a moment ago: if that leads no more, they
 * wait for the next instead of being missed by whoever asked. Bounded in number and in time.
 *
 * What is passed on twice is done once: registers remember who asked (kv/replication/consensus/register-machine.ts).
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { KvRequest, Operation } from "@backplane/kv-contract/client-messages"

const WAITING_MAX = 1024
const PASSED_ON_MAX = 256

export type LinearOperation = Extract<Operation, { type: "get" | "cas" }>

export interface AskedLinear {
  readonly requester: ActorId
  readonly request: KvRequest
  readonly operation: LinearOperation
  readonly way: "forwarded" | "direct"
}

interface Waiting {
  readonly asked: AskedLinear
  readonly since: number
}

export class LeaderWait {
  readonly #cycles: number
  readonly #waiting = new Map<number, Waiting[]>()
  readonly #passedOn = new Map<number, (Waiting & { readonly to: ActorId })[]>()
  #count = 0

  /** `cycles`: how long a request waits, and how long one that was passed on is remembered. */
  constructor(cycles: number) {
    this.#cycles = cycles
  }

  get count(): number {
    return this.#count
  }

  has(partition: number): boolean {
    return this.#waiting.has(partition)
  }

  /** False where there is no room. */
  add(partition: number, asked: AskedLinear, now: number): boolean {
    if (this.#count >= WAITING_MAX) return false
    this.#count++
    const waiting = this.#waiting.get(partition) ?? []
    waiting.push({ asked, since: now })
    this.#waiting.set(partition, waiting)
    return true
  }

  passedOn(partition: number, to: ActorId, asked: AskedLinear, now: number): void {
    const lately = (this.#passedOn.get(partition) ?? []).filter(({ since }) => now - since < this.#cycles)
    this.#passedOn.set(partition, [...lately, { asked, since: now, to }].slice(-PASSED_ON_MAX))
  }

  /** `leader` leads no more: what it was given lately waits again. */
  again(partition: number, leader: ActorId, now: number): void {
    const lately = this.#passedOn.get(partition) ?? []
    this.#passedOn.delete(partition)
    for (const { asked, since, to } of lately) if (to === leader && now - since < this.#cycles) this.add(partition, asked, now)
  }

  take(partition: number): readonly AskedLinear[] {
    const waiting = this.#waiting.get(partition) ?? []
    this.#waiting.delete(partition)
    this.#count -= waiting.length
    return waiting.map(({ asked }) => asked)
  }

  /** Those that waited too long; they are taken off. */
  late(now: number): readonly AskedLinear[] {
    const late: AskedLinear[] = []
    for (const [partition, waiting] of this.#waiting) {
      const rest = waiting.filter(({ since }) => now - since < this.#cycles)
      if (rest.length === waiting.length) continue
      late.push(...waiting.filter((each) => !rest.includes(each)).map(({ asked }) => asked))
      this.#count -= waiting.length - rest.length
      if (rest.length === 0) this.#waiting.delete(partition)
      else this.#waiting.set(partition, rest)
    }
    return late
  }
}
