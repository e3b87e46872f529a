/** Plain base64 (RFC 4648, section 4), with padding and without line breaks: bytes as JSON text. */
import { assert } from "./assert.ts"

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
/** 12 bits → two digits: text is made pair by pair, which is the fastest way here. */
const PAIRS = Array.from({ length: 4096 }, (_, bits) => ALPHABET.charAt(bits >>> 6) + ALPHABET.charAt(bits & 63))
/** Code unit → value, or 255. */
const VALUES = Uint8Array.from({ length: 256 }, (_, unit) => (unit > 127 ? 255 : ALPHABET.indexOf(String.fromCharCode(unit)) & 0xff))
const NO_VALUE = 255

export function encodeBase64(bytes: Uint8Array): string {
  const rest = bytes.length % 3
  const whole = bytes.length - rest
  let text = ""
  for (let at = 0; at < whole; at += 3) {
    const group = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
    text += (PAIRS[group >>> 12] ?? "") + (PAIRS[group & 4095] ?? "")
  }
  if (rest === 0) return text
  const group = ((bytes[whole] ?? 0) << 16) | ((bytes[whole + 1] ?? 0) << 8)
  const last = (PAIRS[group >>> 12] ?? "") + (PAIRS[group & 4095] ?? "")
  return text + last.slice(0, rest + 1) + "=".repeat(3 - rest)
}

/** How many bytes a text of this length and padding stands for. */
export function decodedBytes(text: string): number {
  return (text.length / 4) * 3 - (text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0)
}

/** Is it base64? Asked at the edge, before `decodeBase64`. */
export function isBase64(text: string): boolean {
  if (text.length % 4 !== 0) return false
  const digits = text.endsWith("==") ? text.length - 2 : text.endsWith("=") ? text.length - 1 : text.length
  for (let at = 0; at < digits; at++) if ((VALUES[text.charCodeAt(at)] ?? NO_VALUE) === NO_VALUE) return false
  return true
}

export function decodeBase64(text: string): Uint8Array {
  assert(text.length % 4 === 0, "the text is base64")
  const bytes = new Uint8Array(decodedBytes(text))
  let wrong = 0
  // Padding stands for digits of value 0 whose bytes fall outside the array.
  const whole = text.endsWith("=") ? text.length - 4 : text.length
  for (let from = 0, to = 0; from < whole; from += 4, to += 3) {
    const a = VALUES[text.charCodeAt(from)] ?? NO_VALUE
    const b = VALUES[text.charCodeAt(from + 1)] ?? NO_VALUE
    const c = VALUES[text.charCodeAt(from + 2)] ?? NO_VALUE
    const d = VALUES[text.charCodeAt(from + 3)] ?? NO_VALUE
    wrong |= a | b | c | d
    bytes[to] = (a << 2) | (b >>> 4)
    bytes[to + 1] = (b << 4) | (c >>> 2)
    bytes[to + 2] = (c << 6) | d
  }
  assert((wrong & 0x80) === 0, "the text is base64")
  if (whole < text.length) bytes.set(lastBytes(text.slice(whole)), (whole / 4) * 3)
  return bytes
}

/** Of the last four digits, where some of them are padding. */
function lastBytes(text: string): Uint8Array {
  assert(isBase64(text), "the text is base64")
  const [a = 0, b = 0, c = 0] = Array.from(text, (digit) => (digit === "=" ? 0 : (VALUES[digit.charCodeAt(0)] ?? 0)))
  return Uint8Array.of((a << 2) | (b >>> 4), (b << 4) | (c >>> 2)).subarray(0, decodedBytes(text))
}
