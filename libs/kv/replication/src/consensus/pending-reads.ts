/** Reads that wait until their leader is known to lead still, and until what was committed when they came is applied. */
import type { Read } from "./group-types.ts"

interface PendingRead {
  readonly read: Read
  readonly index: number
  readonly round: number
}

export class PendingReads {
  #waiting: PendingRead[] = []
  #round = 0

  /** The latest round: a follower that answers to it confirms all reads so far. */
  get round(): number {
    return this.#round
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** `index` is what must be applied before the answer. */
  add(read: Read, index: number): void {
    this.#round++
    this.#waiting.push({ read, index, round: this.#round })
  }

  takeReady(confirmedRound: number, applied: number): readonly Read[] {
    const ready = this.#waiting.filter(({ index, round }) => round <= confirmedRound && index <= applied)
    this.#waiting = this.#waiting.filter((each) => !ready.includes(each))
    return ready.map(({ read }) => read)
  }

  takeAll(): readonly Read[] {
    const all = this.#waiting.map(({ read }) => read)
    this.#waiting = []
    return all
  }
}
