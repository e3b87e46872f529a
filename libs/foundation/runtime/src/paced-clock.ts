/**
 * Virtual time in `free` mode: the wall clock at a fixed pace, never backwards.
 *
 * All services of a machine are given the same origin and pace when they host its actors, so their clocks agree as well as
 * the computers' clocks do. Built on the monotonic clock: setting the computer's date does not move it.
 */
import { virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { assert } from "@backplane/foundation-base/assert"

export interface Pace {
  readonly cyclesPerSecond: number
  /** Milliseconds since the Unix epoch at virtual time 0. */
  readonly originMilliseconds: number
}

export class PacedClock {
  readonly #cyclesPerMillisecond: number
  readonly #origin: number
  #latest = virtualTime(0)

  constructor(pace: Pace) {
    assert(pace.cyclesPerSecond > 0, "time passes")
    this.#cyclesPerMillisecond = pace.cyclesPerSecond / 1000
    this.#origin = pace.originMilliseconds - performance.timeOrigin
  }

  now(): VirtualTime {
    const cycles = Math.floor((performance.now() - this.#origin) * this.#cyclesPerMillisecond)
    if (cycles > this.#latest) this.#latest = virtualTime(cycles)
    return this.#latest
  }

  /** Wall milliseconds of so many cycles. */
  milliseconds(cycles: number): number {
    return cycles / this.#cyclesPerMillisecond
  }

  /** Wall milliseconds until `at`, at least 0. */
  millisecondsUntil(at: VirtualTime): number {
    return Math.max(0, at / this.#cyclesPerMillisecond - (performance.now() - this.#origin))
  }
}

/** Read once: it does not change, and Node works it out anew each time that it is asked, twice for each span. */
const TIME_ORIGIN = performance.timeOrigin

/** The wall clock as a span wants it. */
export function wallMilliseconds(): number {
  return TIME_ORIGIN + performance.now()
}
