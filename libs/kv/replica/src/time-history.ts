/**
 * Where a replica's hybrid clock stood of late, by the replica's own time.
 *
 * How long ago something was is known by who counts its own time; what events there had been by then is told by the hybrid clock as it stood at that moment.
 * The wall of now less the age is no measure of it: walls jump, and a hybrid clock runs ahead of its wall for as long as another one was ahead.
 */

/** Rises within so many cycles are one mark: between its ends the clock is only known not to have stood lower than before. */
const MARK_CYCLES = 50_000
/** Of 50 ms each at least: longer ago than requests live. */
const MARKS_MAX = 512

interface Mark {
  readonly from: number
  to: number
  /** Where the clock stood from `to` on. */
  time: number
}

export class TimeHistory {
  #marks: Mark[] = []

  /** The clock rose, at `now`, to `time`. */
  rose(now: number, time: number): void {
    const last = this.#marks.at(-1)
    // The first stays as it is: what was before it is not known at all.
    if (last !== undefined && this.#marks.length > 1 && now - last.from < MARK_CYCLES) {
      last.to = now
      last.time = time
      return
    }
    this.#marks.push({ from: now, to: now, time })
    if (this.#marks.length > 2 * MARKS_MAX) this.#marks = this.#marks.slice(-MARKS_MAX)
  }

  /** The clock stood there at `moment`, or higher; null: that is too long ago to know. */
  at(moment: number): number | null {
    return this.#marks.findLast(({ to }) => to <= moment)?.time ?? null
  }
}
