/**
 * A running 64-bit fingerprint of a run: same inputs, same bytes, on every host.
 *
 * FNV-1a (Fowler, Noll, Vo; draft-eastlake-fnv) over UTF-8-free code units, kept as four 16-bit limbs because a
 * number holds 53 bits. Not a defence against an adversary: it only tells two honest runs apart.
 */
export class Fingerprint {
  #a = 0xcbf2
  #b = 0x9ce4
  #c = 0x8422
  #d = 0x2325

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

  /** The fingerprint so far, 16 hexadecimal digits. */
  hex(): string {
    return [this.#a, this.#b, this.#c, this.#d].map((limb) => limb.toString(16).padStart(4, "0")).join("")
  }

  /** hash = (hash ^ byte) × 0x100000001b3 mod 2^64, by limbs: the prime is 2^40 + 0x1b3. */
  #byte(byte: number): void {
    const d = this.#d ^ byte
    const low = d * 0x1b3
    const third = this.#c * 0x1b3 + (low >>> 16)
    const second = this.#b * 0x1b3 + (third >>> 16) + ((d << 8) & 0xffff)
    const first = this.#a * 0x1b3 + (second >>> 16) + ((this.#c << 8) & 0xffff) + (d >>> 8)
    this.#d = low & 0xffff
    this.#c = third & 0xffff
    this.#b = second & 0xffff
    this.#a = first & 0xffff
  }
}
