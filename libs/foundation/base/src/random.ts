/**
 * Seeded random numbers: the only chance that pure code may use.
 *
 * xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021), seeded by splitmix32 over
 * the text of the seed. Streams drawn under different names are independent.
 */
import { assert } from "./assert.ts"

export class Random {
  readonly #seed: string
  #s0: number
  #s1: number
  #s2: number
  #s3: number

  constructor(seed: number | string) {
    this.#seed = String(seed)
    let state = 0x9e3779b9
    for (let index = 0; index < this.#seed.length; index++) state = Math.imul(state ^ this.#seed.charCodeAt(index), 0x01000193) >>> 0
    const next = (): number => {
      state = (state + 0x9e3779b9) >>> 0
      let z = state
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
      return (z ^ (z >>> 15)) >>> 0
    }
    this.#s0 = next()
    this.#s1 = next()
    this.#s2 = next()
    this.#s3 = next() | 1 // never all zero
  }

  /** An independent stream: the same name always gives the same stream, whatever was drawn before. */
  fork(name: string): Random {
    return new Random(`${this.#seed}/${name}`)
  }

  /** Uniform 32 bits, unsigned. */
  uint32(): number {
    const product = Math.imul(this.#s1, 5)
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0
    const shifted = this.#s1 << 9
    this.#s2 ^= this.#s0
    this.#s3 ^= this.#s1
    this.#s1 ^= this.#s2
    this.#s0 ^= this.#s3
    this.#s2 ^= shifted
    this.#s3 = (this.#s3 << 11) | (this.#s3 >>> 21)
    return result
  }

  /** Uniform in [0, 1), 32 bits of it. */
  unit(): number {
    return this.uint32() / 0x1_0000_0000
  }

  /** Uniform integer in [0, below); `below` in 1…2^32. Unbiased: redraws the tail. */
  below(below: number): number {
    assert(Number.isInteger(below) && below >= 1 && below <= 0x1_0000_0000, "below is in 1…2^32")
    const limit = 0x1_0000_0000 - (0x1_0000_0000 % below)
    for (;;) {
      const draw = this.uint32()
      if (draw < limit) return draw % below
    }
  }

  /** Uniform integer in [low, high], both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  /** True with probability `probability`. */
  chance(probability: number): boolean {
    return this.unit() < probability
  }

  /** One element, uniformly. The list is not empty. */
  pick<T>(list: readonly T[]): T {
    assert(list.length > 0, "pick needs an element")
    return list[this.below(list.length)] as T
  }

  /** A shuffled copy (Fisher–Yates). */
  shuffled<T>(list: readonly T[]): T[] {
    const copy = [...list]
    for (let last = copy.length - 1; last > 0; last--) {
      const other = this.below(last + 1)
      const moved = copy[last] as T
      copy[last] = copy[other] as T
      copy[other] = moved
    }
    return copy
  }
}
