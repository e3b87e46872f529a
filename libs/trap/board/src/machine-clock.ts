/**
 * The board's time: it passes by instructions, never by the wall clock, so that a run is the same each time.
 *
 * One tick of the 10 MHz timebase is `INSTRUCTIONS_PER_TICK` instructions of every hart: a machine of one instruction per cycle at
 * 1 GHz. Harts run in windows one after the other, so `passed` counts the windows of all of them and never goes back.
 */

export const INSTRUCTIONS_PER_TICK = 100

export class MachineClock {
  /** Units per tick: instructions per tick, of all harts. */
  readonly #unitsPerTick: number
  /** Instructions and waited windows of all harts. Only grows. */
  #passed = 0

  constructor(harts: number, passed = 0) {
    this.#unitsPerTick = INSTRUCTIONS_PER_TICK * harts
    this.#passed = passed
  }

  passed(): number {
    return this.#passed
  }

  ticks(): bigint {
    return BigInt(Math.floor(this.#passed / this.#unitsPerTick))
  }

  pass(units: number): void {
    this.#passed += units
  }

  /** Units until that many ticks more have passed; at least 1, and no more than a number can count exactly. */
  unitsUntil(ticks: bigint): number {
    const whole = ticks > BigInt(2 ** 40) ? 2 ** 40 : Number(ticks)
    return Math.max(1, whole * this.#unitsPerTick - (this.#passed % this.#unitsPerTick))
  }
}
