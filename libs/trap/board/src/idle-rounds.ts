/**
 * Windows that a hart (of the native board or of a VM) passes by after it came round in its kernel with nothing to do (the board's `idleRounds`, a VM's `idleLoops`: "give-way").
 *
 * It looked through its run queue in vain and would do so in each window to come. So it passes one by, twice as many each further time, as a poll that backs off;
 * an interrupt ends that. This only delays: what becomes ready meanwhile is found by whoever runs, or by this one REST_MAX windows later.
 */
import { defined } from "@backplane/foundation-base/assert"

/** Of 20,000 instructions each (board.ts): a third of a millisecond of the guest's time. */
const REST_MAX = 16

interface Rest {
  /** Windows to pass by yet. */
  left: number
  /** As many the next time. */
  next: number
  /** Its last window ended with a round. */
  cameRound: boolean
}

export class IdleRounds {
  readonly #rests: readonly Rest[]

  constructor(harts: number) {
    this.#rests = Array.from({ length: harts }, () => ({ left: 0, next: 1, cameRound: false }))
  }

  cameRound(hart: number): void {
    const rest = this.#of(hart)
    rest.cameRound = true
    rest.left = rest.next
    rest.next = Math.min(REST_MAX, 2 * rest.next)
  }

  /** Its window begins: does it pass it by? */
  passes(hart: number, isInterrupted: () => boolean): boolean {
    const rest = this.#of(hart)
    if (rest.left > 0 && !isInterrupted()) {
      rest.left -= 1
      return true
    }
    if (!rest.cameRound) rest.next = 1
    rest.cameRound = false
    rest.left = 0
    return false
  }

  #of(hart: number): Rest {
    return defined(this.#rests[hart], "the hart exists")
  }
}
