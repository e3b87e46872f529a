/** What a run of a VM has found out about giving its CPU away; each is handed out once. */
import type { Polls } from "./poll-watch.ts"

export class GiveWays {
  /** Who shall have the next turn: a vCPU gave way to it. */
  #preferred: number | null = null
  /** A vCPU gave the CPU away for a turn. */
  #yielded = false
  /** Only loops are left, and how that is known; null: that is not so. */
  #polls: Polls | null = null

  yieldTo(vcpu: number | null): void {
    this.#preferred = vcpu
    this.#yielded = true
  }

  polls(how: Polls | null): void {
    this.#polls = how
  }

  takePreferred(): number | null {
    const preferred = this.#preferred
    this.#preferred = null
    return preferred
  }

  takeYield(): boolean {
    const yielded = this.#yielded
    this.#yielded = false
    return yielded
  }

  takePolls(): Polls | null {
    const polls = this.#polls
    this.#polls = null
    return polls
  }
}
