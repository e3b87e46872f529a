/**
 * Bodies as bytes on Node.js' buffers: the writer and the reader that contracts pack their bodies with (foundation/base, `packed-bytes.ts`).
 *
 * ```
 * byte   one
 * whole  seven bits a byte, the lowest first; the highest bit says that more follow
 * float  float64, little endian
 * text   whole: 4 × units + form, then the units: 0 ASCII, a byte each; 1 any other, UTF-16, little endian
 * name   whole: number of the name; one more than there were: a new one, and its text follows
 * ```
 */
import { assert } from "@backplane/foundation-base/assert"
import { NotPacked, type PackReader, type PackWriter } from "@backplane/foundation-base/packed-bytes"

const FIRST_BYTES = 16_384
const ASCII = 0
const UTF16 = 1
const FORMS = 4
const WHOLE_BYTES_MAX = 8
const FLOAT_BYTES = 8
/** Below this a loop is faster than a call into the host. */
const SHORT_UNITS = 12
/** More names than this are written out each time. */
const NAMES_MAX = 64

export class ByteWriter implements PackWriter {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #at = 0
  readonly #names: string[] = []

  /** What was written since the last time, as a copy. */
  take(): Buffer {
    const taken = Buffer.allocUnsafe(this.#at)
    this.#bytes.copy(taken, 0, 0, this.#at)
    this.reset()
    return taken
  }

  /** Forgets what was written. */
  reset(): void {
    this.#at = 0
    this.#names.length = 0
    if (this.#bytes.length > 64 * FIRST_BYTES) this.#bytes = Buffer.allocUnsafeSlow(FIRST_BYTES)
  }

  get length(): number {
    return this.#at
  }

  byte(value: number): void {
    this.#room(1)
    this.#bytes[this.#at++] = value
  }

  whole(value: number): void {
    assert(value >= 0 && value <= Number.MAX_SAFE_INTEGER, "a whole number is none below zero")
    this.#room(WHOLE_BYTES_MAX)
    let rest = value
    while (rest > 0x7f) {
      this.#bytes[this.#at++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#at++] = rest
  }

  float(value: number): void {
    this.#room(FLOAT_BYTES)
    this.#at = this.#bytes.writeDoubleLE(value, this.#at)
  }

  text(value: string): void {
    const units = value.length
    this.#room(WHOLE_BYTES_MAX + 3 * units)
    const start = this.#at
    this.whole(units * FORMS + ASCII)
    if (units < SHORT_UNITS ? this.#writeShort(value) : this.#writeLong(value)) return
    this.#at = start
    this.whole(units * FORMS + UTF16)
    this.#at += this.#bytes.write(value, this.#at, "utf16le")
  }

  name(value: string): void {
    const names = this.#names
    const known = names.indexOf(value)
    if (known >= 0) return this.whole(known)
    this.whole(names.length)
    if (names.length < NAMES_MAX) names.push(value)
    this.text(value)
  }

  /** False where it is not all ASCII. */
  #writeShort(value: string): boolean {
    const bytes = this.#bytes
    let at = this.#at
    for (let index = 0; index < value.length; index++) {
      const unit = value.charCodeAt(index)
      if (unit > 0x7f) return false
      bytes[at++] = unit
    }
    this.#at = at
    return true
  }

  #writeLong(value: string): boolean {
    const written = this.#bytes.write(value, this.#at, "utf8")
    // All else takes more than a byte a unit.
    if (written !== value.length) return false
    this.#at += written
    return true
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#at + bytes, 2 * this.#bytes.length))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }
}

export class ByteReader implements PackReader {
  readonly #bytes: Buffer
  #at = 0
  readonly #names: string[] = []

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw new NotPacked("", "the bytes end within a body")
    return byte
  }

  whole(): number {
    let value = 0
    for (let scale = 1, count = 0; count < WHOLE_BYTES_MAX; scale *= 0x80, count++) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break
        return value
      }
    }
    throw new NotPacked("", "a whole number is too large")
  }

  float(): number {
    const at = this.#at
    this.#at += FLOAT_BYTES
    if (this.#at > this.#bytes.length) throw new NotPacked("", "the bytes end within a number")
    return this.#bytes.readDoubleLE(at)
  }

  text(): string {
    const head = this.whole()
    const form = head % FORMS
    const units = (head - form) / FORMS
    const start = this.#at
    if (form > UTF16) throw new NotPacked("", "there is no such form of a text")
    this.#at += form === ASCII ? units : 2 * units
    if (this.#at > this.#bytes.length) throw new NotPacked("", "the bytes end within a text")
    return this.#bytes.toString(form === ASCII ? "latin1" : "utf16le", start, this.#at)
  }

  name(): string {
    const number = this.whole()
    const names = this.#names
    const known = names[number]
    if (known !== undefined) return known
    if (number !== names.length) throw new NotPacked("", "there is no such name")
    const made = this.text()
    if (number < NAMES_MAX) names.push(made)
    return made
  }
}
