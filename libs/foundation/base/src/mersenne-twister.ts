/**
 * MT19937 (Matsumoto and Nishimura, 1998) with the seeding and the derived draws of the OSTEP homework programs:
 * needed only where a schedule must be the same, draw for draw (`compat: ostep`).
 */
import { assert } from "./assert.ts"

const STATE_WORDS = 624
const SHIFT_WORDS = 397

export class MersenneTwister {
  readonly #state = new Uint32Array(STATE_WORDS)
  #index = STATE_WORDS
  /** 32-bit outputs drawn so far: with the seed, the whole position of the generator. */
  #draws = 0

  /** `seed`: an integer; its magnitude is the one-word-or-more key of init_by_array. */
  constructor(seed: number) {
    assert(Number.isSafeInteger(seed), "the seed is a safe integer")
    const magnitude = Math.abs(seed)
    const low = magnitude % 0x1_0000_0000
    const high = Math.floor(magnitude / 0x1_0000_0000)
    this.#initByArray(high === 0 ? [low] : [low, high])
  }

  get draws(): number {
    return this.#draws
  }

  /** Draws and drops outputs until `draws` of them were taken in all. */
  advanceTo(draws: number): void {
    assert(draws >= this.#draws, "a generator cannot go back")
    while (this.#draws < draws) this.uint32()
  }

  uint32(): number {
    if (this.#index === STATE_WORDS) this.#twist()
    let y = this.#state[this.#index++] as number
    this.#draws++
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    return (y ^ (y >>> 18)) >>> 0
  }

  /** Uniform in [0, 1) with 53 bits: 27 of one output and 26 of the next. */
  unit(): number {
    const high = this.uint32() >>> 5
    const low = this.uint32() >>> 6
    return (high * 0x400_0000 + low) / 0x20_0000_0000_0000
  }

  /** Uniform in [0, below): the top bits of an output, redrawn while too large. One victim still draws. */
  below(below: number): number {
    assert(Number.isInteger(below) && below >= 1 && below < 0x1_0000_0000, "below is in 1…2^32 − 1")
    const bits = 32 - Math.clz32(below)
    for (;;) {
      const draw = this.uint32() >>> (32 - bits)
      if (draw < below) return draw
    }
  }

  /** Fisher–Yates from the end, in place. */
  shuffle<T>(list: T[]): void {
    for (let last = list.length - 1; last > 0; last--) {
      const other = this.below(last + 1)
      const moved = list[last] as T
      list[last] = list[other] as T
      list[other] = moved
    }
  }

  #initByArray(key: readonly number[]): void {
    const state = this.#state
    state[0] = 19650218
    for (let i = 1; i < STATE_WORDS; i++) {
      const before = state[i - 1] as number
      state[i] = Math.imul(before ^ (before >>> 30), 1812433253) + i
    }
    let i = 1
    let j = 0
    const advance = (): void => {
      if (++i === STATE_WORDS) {
        state[0] = state[STATE_WORDS - 1] as number
        i = 1
      }
    }
    for (let step = Math.max(STATE_WORDS, key.length); step > 0; step--) {
      const before = state[i - 1] as number
      state[i] = ((state[i] as number) ^ Math.imul(before ^ (before >>> 30), 1664525)) + (key[j] as number) + j
      advance()
      j = (j + 1) % key.length
    }
    for (let step = STATE_WORDS - 1; step > 0; step--) {
      const before = state[i - 1] as number
      state[i] = ((state[i] as number) ^ Math.imul(before ^ (before >>> 30), 1566083941)) - i
      advance()
    }
    state[0] = 0x80000000
  }

  #twist(): void {
    const state = this.#state
    for (let i = 0; i < STATE_WORDS; i++) {
      const y = ((state[i] as number) & 0x80000000) | ((state[(i + 1) % STATE_WORDS] as number) & 0x7fffffff)
      const twisted = (state[(i + SHIFT_WORDS) % STATE_WORDS] as number) ^ (y >>> 1)
      state[i] = (y & 1) === 1 ? twisted ^ 0x9908b0df : twisted
    }
    this.#index = 0
  }
}
