/** Who comes next when a hart's window is over, and how long windows are. Left out, harts go by number in windows of WINDOW_INSTRUCTIONS. */
export interface TurnOrder {
  readonly windowInstructions: number
  /** `ready`: which harts could execute now, by number; at least one. `turn`: whose window is over. */
  next(turn: number, ready: readonly boolean[]): number
}

/** The clocks of a timed engine, as far as turns look at them. */
export interface CpuClocks {
  /** Virtual time of a CPU, in cycles. */
  time(cpu: number): number
  /** It goes on no earlier than that. */
  waitUntil(cpu: number, cycles: number): void
}

/** Short enough that CPUs meet in caches as they would, long enough that turns cost little. */
const WINDOW_INSTRUCTIONS = 100

/** By virtual time: whoever is behind comes next. A hart that waited goes on no earlier than the one that woke it. */
export function virtualTimeOrder(clocks: CpuClocks): TurnOrder {
  let were: readonly boolean[] = []
  return {
    windowInstructions: WINDOW_INSTRUCTIONS,
    next(turn, ready) {
      const now = clocks.time(turn)
      ready.forEach((is, cpu) => {
        if (is && were[cpu] === false) clocks.waitUntil(cpu, now)
      })
      were = ready
      let next = turn
      for (let cpu = 0; cpu < ready.length; cpu++) {
        if (ready[cpu] === true && (ready[next] !== true || clocks.time(cpu) < clocks.time(next))) next = cpu
      }
      return next
    },
  }
}
