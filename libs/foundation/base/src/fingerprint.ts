/**
 * A running 64-bit fingerprint of a run: same inputs, same bytes, on every host.
 *
 * FNV-1a (Fowler, Noll, Vo; draft-eastlake-fnv) over UTF-8-free code units, kept as two 32-bit halves because a
 * number holds 53 bits. Not a defence against an adversary: it only tells two honest runs apart.
 */

/** The prime is 2^40 + 0x1b3. */
const PRIME_LOW = 0x1b3

export class Fingerprint {
  #high = 0xcbf29ce4 | 0
  #low = 0x84222325 | 0

  /** Adds one text; texts are separated, so ("ab","c") and ("a","bc") differ. */
  add(text: string): this {
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index)
      this.#byte(unit & 0xff)
      if (unit > 0x7f) this.#byte(unit >>> 8)
    }
    this.#byte(0xff)
    return this
  }

  /**
   * As `add` of the text whose characters, ASCII every one, are `bytes[0…end)`: for a host that can lay a text out in bytes quickly. What a byte waits
   * for is one multiplication of the low half; the rest is beside it.
   */
  addAscii(bytes: Uint8Array, end: number): this {
    let high = this.#high
    let low = this.#low
    for (let index = 0; index < end; index++) {
      low ^= bytes[index] as number
      high = (Math.imul(high, PRIME_LOW) + carryOf(low) + (low << 8)) | 0
      low = Math.imul(low, PRIME_LOW)
    }
    this.#high = high
    this.#low = low
    this.#byte(0xff)
    return this
  }

  /** The fingerprint so far, 16 hexadecimal digits. */
  hex(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("")
  }

  /** hash = (hash ^ byte) × 0x100000001b3 mod 2^64: 2^40 times the low half is its 24 lower bits in the high one. */
  #byte(byte: number): void {
    const low = this.#low ^ byte
    this.#high = (Math.imul(this.#high, PRIME_LOW) + carryOf(low) + (low << 8)) | 0
    this.#low = Math.imul(low, PRIME_LOW)
  }
}

/** What of `low` × 0x1b3 goes beyond 32 bits. */
function carryOf(low: number): number {
  return ((low >>> 16) * PRIME_LOW + (((low & 0xffff) * PRIME_LOW) >>> 16)) >>> 16
}
