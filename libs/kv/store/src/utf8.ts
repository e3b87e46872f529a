/** UTF-8 without the host's encoder, which pure packages do not have. Lone surrogates keep their code unit, so any text comes back as it was. */

/** The text behind `room` bytes that are left to the caller. */
export function encodeUtf8(text: string, room = 0): Uint8Array {
  const bytes = new Uint8Array(room + text.length)
  // Nearly all is ASCII: no second look and no second copy.
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code >= 0x80) return encodeWide(text, room)
    bytes[room + index] = code
  }
  return bytes
}

function encodeWide(text: string, room: number): Uint8Array {
  const bytes = new Uint8Array(room + text.length * 3)
  let length = room
  for (let index = 0; index < text.length; index++) {
    const code = text.codePointAt(index) ?? 0
    if (code > 0xffff) index++
    length = writeCode(bytes, length, code)
  }
  return bytes.slice(0, length)
}

function writeCode(bytes: Uint8Array, at: number, code: number): number {
  if (code < 0x80) {
    bytes[at] = code
    return at + 1
  }
  const more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3
  bytes[at] = (more === 1 ? 0xc0 : more === 2 ? 0xe0 : 0xf0) | (code >>> (6 * more))
  for (let rest = more - 1, next = at + 1; rest >= 0; rest--, next++) bytes[next] = 0x80 | ((code >>> (6 * rest)) & 0x3f)
  return at + 1 + more
}

const CHUNK = 4096

/** Only for bytes that `encodeUtf8` made and a checksum vouches for. */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  let text = ""
  for (let first = start; first < end; first += CHUNK) {
    const codes: number[] = []
    const last = Math.min(end, first + CHUNK)
    for (let at = first; at < last; at++) {
      const byte = bytes[at] as number
      if (byte >= 0x80) return text + decodeWide(bytes, first, end)
      codes.push(byte)
    }
    text += String.fromCharCode(...codes)
  }
  return text
}

function decodeWide(bytes: Uint8Array, start: number, end: number): string {
  const parts: string[] = []
  let codes: number[] = []
  for (let at = start; at < end;) {
    const first = bytes[at] ?? 0
    const more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3
    let code = more === 0 ? first : first & (0x3f >>> more)
    for (let rest = 1; rest <= more; rest++) code = (code << 6) | ((bytes[at + rest] ?? 0) & 0x3f)
    codes.push(code)
    at += 1 + more
    if (codes.length === CHUNK) {
      parts.push(String.fromCodePoint(...codes))
      codes = []
    }
  }
  parts.push(String.fromCodePoint(...codes))
  return parts.join("")
}
