/**
 * One text for equal values: what fingerprints, trace lines and golden conversations are made of.
 *
 * Fields go by name, so neither the order in which code writes them nor a codec on the way changes the text. Unlike JSON
 * it knows what bodies hold besides: bigint (as hex, as on the wire) and bytes. An absent field and `undefined` are equal.
 */
import { compareText } from "@backplane/foundation-base/json"
import { digestOfBytes, digestOfText } from "./digest.ts"

/** Bytes up to this many are written out; longer runs by length and digest. */
const BYTES_SHOWN_MAX = 16
/** Text up to this long is written out; of longer the beginning, with length and digest of all. */
const TEXT_SHOWN_MAX = 120
const TEXT_BEGINNING = 24

export function stableText(value: unknown): string {
  switch (typeof value) {
    case "string":
      return textText(value)
    case "bigint":
      return hex(value)
    case "object":
      return value === null ? "null" : objectText(value)
    default:
      return String(value)
  }
}

/** The fields of a message without its kind: `{cause: 8, sequence: 1}`. */
export function fieldsText(body: object): string {
  return recordText(body, "kind")
}

function objectText(value: object): string {
  if (Array.isArray(value)) return `[${value.map(stableText).join(", ")}]`
  if (ArrayBuffer.isView(value)) return bytesText(value)
  return recordText(value, null)
}

function recordText(value: object, without: string | null): string {
  const entries = Object.entries(value)
  if (!inOrder(entries)) entries.sort((a, b) => compareText(a[0], b[0]))
  let text = "{"
  for (const [name, field] of entries) {
    if (field === undefined || name === without) continue
    text += text.length === 1 ? `${name}: ${stableText(field)}` : `, ${name}: ${stableText(field)}`
  }
  return `${text}}`
}

function inOrder(entries: readonly (readonly [string, unknown])[]): boolean {
  let last = ""
  for (const [name] of entries) {
    if (name < last) return false
    last = name
  }
  return true
}

function textText(text: string): string {
  if (text.length <= TEXT_SHOWN_MAX) return JSON.stringify(text)
  return `${JSON.stringify(text.slice(0, TEXT_BEGINNING))}…<${text.length} characters ${digestOfText(text)}>`
}

function bytesText(view: ArrayBufferView): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
  if (bytes.length > BYTES_SHOWN_MAX) return `<${bytes.length} bytes ${digestOfBytes(bytes)}>`
  return `<${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}>`
}

function hex(value: bigint): string {
  return value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`
}
