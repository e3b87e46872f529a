/**
 * The information gap, closed without the guest's help: finds out that a vCPU polls in a loop which nothing but the outside can end.
 *
 * A guest that waits without wfi looks busy. But if its registers and pc come back to what they were, and no instruction between changed
 * memory or left the engine, then every further round is the same until somebody else writes memory, time makes an interrupt due or a
 * device raises one. That is a proof, not a guess: whole rounds can be counted as executed without being executed, and nobody could tell.
 * OSTEP, appendix B, "the information gap"; Disco's answer was a changed guest, hardware's (pause-loop exiting) is a count of `pause`.
 * I6: what is skipped is whole rounds, and ends before the next timer, window and budget.
 *
 * Not found: loops that count (a time-out), read the clock or poll a device; they change a register or leave the engine each time. Those
 * that read RAM at a fixed place are: spin locks, flags, run queues that are empty. A spin lock that is taken is written with what it holds already, which is no change.
 */
import type { Engine, FoundRound } from "@backplane/compute-contract/engine"

/**
 * Instructions without an exit before a vCPU is looked at; twice as many each time nothing is found. A look costs as much
 * as a thousand instructions: a guest that never polls soon pays for one in a hundred thousand, one that polls is found at once.
 */
const QUIET_FIRST = 4096
const QUIET_FIRST_MAX = 1 << 16
const QUIET_MAX = 1 << 20
/** Rounds are no longer than this. */
const ROUND_MAX = 48

/** One vCPU's watch. The state is a hint: losing it costs time only. */
export class IdleLoop {
  readonly #engine: Engine
  #quiet = 0
  #first = QUIET_FIRST
  #lookAfter = QUIET_FIRST
  #found = 0
  #skipped = 0

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** Rounds found, and instructions counted without being executed. */
  counts(): { readonly found: number; readonly skipped: number } {
    return { found: this.#found, skipped: this.#skipped }
  }

  /** Something happened to the vCPU: an exit, an interrupt. */
  disturbed(): void {
    this.#quiet = 0
    this.#lookAfter = this.#first
  }

  /** How far to let it run before it is looked at. */
  stretch(): number {
    return Math.max(1, this.#lookAfter - this.#quiet)
  }

  /** It ran so far without leaving. Is it time to look? `room`: it may run on now; else it is looked at when its turn comes again. */
  ranQuietly(instructions: number, { room }: { readonly room: boolean }): boolean {
    this.#quiet += instructions
    return this.#quiet >= this.#lookAfter && room
  }

  /** Steps the vCPU on through at most one round, `most` instructions at most (engine.findRound). */
  look(cpu: number, most: number): FoundRound {
    const found = this.#engine.findRound(cpu, Math.min(most, ROUND_MAX))
    this.#quiet = 0
    if (found.round !== null) {
      this.#found += 1
      this.#first = QUIET_FIRST
      this.#lookAfter = 1
    } else if (most >= ROUND_MAX) {
      this.#first = Math.min(QUIET_FIRST_MAX, 2 * this.#first)
      this.#lookAfter = Math.min(QUIET_MAX, Math.max(this.#first, 2 * this.#lookAfter))
    }
    return found
  }

  skipped(instructions: number): void {
    this.#skipped += instructions
  }
}

export function totalsOf(loops: readonly IdleLoop[]): { readonly found: number; readonly skipped: number } {
  const counts = loops.map((loop) => loop.counts())
  return {
    found: counts.reduce((sum, { found }) => sum + found, 0),
    skipped: counts.reduce((sum, { skipped }) => sum + skipped, 0),
  }
}
