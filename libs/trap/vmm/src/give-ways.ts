/** What a run of a VM has found out about giving its CPU away; each is handed out once. */

export class GiveWays {
  /** Who shall have the next turn: a vCPU gave way to it. */
  #preferred: number | null = null
  /** A vCPU gave the CPU away for a turn. */
  #yielded = false
  /** Only loops are left. */
  #polls = false

  yieldTo(vcpu: number | null): void {
    this.#preferred = vcpu
    this.#yielded = true
  }

  polls(isSo: boolean): void {
    this.#polls = isSo
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

  takePolls(): boolean {
    const polls = this.#polls
    this.#polls = false
    return polls
  }
}
