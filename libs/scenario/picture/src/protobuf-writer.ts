/** Writes the protobuf wire format (protobuf.dev, "Encoding"): only what the Perfetto export needs. */
import { assert } from "@backplane/foundation-base/assert"

const VARINT = 0
const FIXED64 = 1
const LENGTH = 2

export class ProtobufWriter {
  readonly #bytes: number[] = []

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
      this.#bytes.push(rest % 256)
      rest = Math.floor(rest / 256)
    }
    return this
  }

  text(field: number, value: string): this {
    return this.#chunk(field, utf8(value))
  }

  message(field: number, write: (writer: ProtobufWriter) => void): this {
    const inner = new ProtobufWriter()
    write(inner)
    return this.#chunk(field, inner.#bytes)
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }

  #chunk(field: number, bytes: readonly number[]): this {
    this.#varint(field * 8 + LENGTH)
    this.#varint(bytes.length)
    // Not push(...bytes): a long message would overflow the stack of arguments.
    for (const byte of bytes) this.#bytes.push(byte)
    return this
  }

  /** By division, not by shifts: values pass 32 bits. */
  #varint(value: number): void {
    let rest = value
    while (rest >= 128) {
      this.#bytes.push((rest % 128) + 128)
      rest = Math.floor(rest / 128)
    }
    this.#bytes.push(rest)
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
