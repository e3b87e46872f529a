/** Writes the protobuf wire format (protobuf.dev, "Encoding"): only what the Perfetto export needs. */
import { assert } from "@backplane/foundation-base/assert"

const VARINT = 0
const FIXED64 = 1
const LENGTH = 2
/** Room for the length of a message. */
const LENGTH_BYTES = 4

export class ProtobufWriter {
  #bytes = new Uint8Array(64)
  /** Bytes written; the rest of the array is room. */
  #length = 0

  /** A whole number from 0 to 2^53. */
  uint(field: number, value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, "a varint here is a whole number that a number holds exactly")
    this.#varint(field * 8 + VARINT)
    this.#varint(value)
    return this
  }

  fixed64(field: number, value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, "a fixed64 here is a whole number that a number holds exactly")
    this.#varint(field * 8 + FIXED64)
    let rest = value
    for (let byte = 0; byte < 8; byte++) {
      this.#byte(rest % 256)
      rest = Math.floor(rest / 256)
    }
    return this
  }

  text(field: number, value: string): this {
    return this.#chunk(field, utf8(value))
  }

  /**
   * The length comes before the content but is known after it: four bytes are kept free and filled in. A varint may be
   * longer than it needs to be, and Perfetto's own writer does the same.
   */
  message(field: number, write: (writer: ProtobufWriter) => void): this {
    this.#varint(field * 8 + LENGTH)
    this.#reserve(LENGTH_BYTES)
    const start = this.#length + LENGTH_BYTES
    this.#length = start
    write(this)
    let rest = this.#length - start
    assert(rest < 128 ** LENGTH_BYTES, "a message is shorter than 256 MiB")
    for (let byte = 0; byte < LENGTH_BYTES; byte++) {
      this.#bytes[start - LENGTH_BYTES + byte] = (rest % 128) + (byte < LENGTH_BYTES - 1 ? 128 : 0)
      rest = Math.floor(rest / 128)
    }
    return this
  }

  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  #chunk(field: number, bytes: ArrayLike<number>): this {
    this.#varint(field * 8 + LENGTH)
    this.#varint(bytes.length)
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
    return this
  }

  /** By division, not by shifts: values pass 32 bits. */
  #varint(value: number): void {
    let rest = value
    while (rest >= 128) {
      this.#byte((rest % 128) + 128)
      rest = Math.floor(rest / 128)
    }
    this.#byte(rest)
  }

  #byte(value: number): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = value
  }

  /** Makes room, at least twice as much as before. */
  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#length + more, 2 * this.#bytes.length))
    larger.set(this.#bytes)
    this.#bytes = larger
  }
}

/** UTF-8; a lone surrogate becomes the replacement character. Pure packages have no TextEncoder. */
export function utf8(text: string): readonly number[] {
  const bytes: number[] = []
  for (const letter of text) {
    const point = letter.codePointAt(0) ?? 0
    const code = point >= 0xd800 && point <= 0xdfff ? 0xfffd : point
    if (code < 0x80) bytes.push(code)
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63))
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63))
    else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63))
  }
  return bytes
}
