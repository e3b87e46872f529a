/**
 * How late an idle process is woken: what the computer itself, busy with something else, makes everybody wait. What a live machine did at
 * such a moment says nothing of the machine.
 */
const EVERY_MILLISECONDS = 5

interface Late {
  readonly from: number
  readonly to: number
}

export class HostWatch {
  readonly #leastMilliseconds: number
  readonly #late: Late[] = []
  #timer: NodeJS.Timeout | undefined

  /** Only what was late by so much is remembered. */
  constructor(leastMilliseconds: number) {
    this.#leastMilliseconds = leastMilliseconds
  }

  begin(): void {
    let last = Date.now()
    this.#timer = setInterval(() => {
      const now = Date.now()
      if (now - last - EVERY_MILLISECONDS >= this.#leastMilliseconds) this.#late.push({ from: last, to: now })
      last = now
    }, EVERY_MILLISECONDS)
  }

  /** It stood still some time between the two. */
  stoodStill(from: number, to: number): boolean {
    return this.#late.some((late) => late.from <= to && late.to >= from)
  }

  end(): void {
    clearInterval(this.#timer)
  }
}
