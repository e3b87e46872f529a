/** A set of states by 64 bits of hash, in open addressing: 8 bytes and at most half full. It can add, and knows its size. */
import { assert } from "@backplane/foundation-base/assert"

export class StateSet {
  readonly #low: Uint32Array
  readonly #high: Uint32Array
  readonly #mask: number
  size = 0

  constructor(statesMax: number) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(1024, statesMax * 2)))
    this.#low = new Uint32Array(slots)
    this.#high = new Uint32Array(slots)
    this.#mask = slots - 1
  }

  /** False: it was in already. */
  add(state: Uint16Array): boolean {
    let low = 0x811c9dc5
    let high = 0x9e3779b9
    for (const number of state) {
      low = Math.imul(low ^ number, 0x01000193)
      low ^= low >>> 15
      high = Math.imul(high + number, 0x85ebca6b)
      high = (high << 13) | (high >>> 19)
    }
    low = mixed(low) >>> 0
    // Zero marks an empty slot.
    high = (mixed(high ^ low) | 1) >>> 0
    for (let slot = low & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const found = this.#high[slot]
      if (found === 0) {
        assert(this.size < this.#mask, "there is room")
        this.#low[slot] = low
        this.#high[slot] = high
        this.size += 1
        return true
      }
      if (found === high && this.#low[slot] === low) return false
    }
  }
}

function mixed(value: number): number {
  let z = value
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
  return z ^ (z >>> 15)
}
