/**
 * One text for equal values: what fingerprints, trace lines and golden conversations are made of.
 *
 * Fields go by name, so neither the order in which code writes them nor a codec on the way changes the text. Unlike JSON
 * it knows what bodies hold besides: bigint (as hex, as on the wire) and bytes. An absent field and `undefined` are equal.
 */
import { fingerprintOf } from "@backplane/foundation-base/fingerprint"
import { compareText } from "@backplane/foundation-base/json"

/** Bytes up to this many are written out; longer runs by length and fingerprint. */
const BYTES_SHOWN_MAX = 16

export function stableText(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value)
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

function bytesText(view: ArrayBufferView): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
  return bytes.length <= BYTES_SHOWN_MAX ? `<${digits}>` : `<${bytes.length} bytes ${fingerprintOf(digits)}>`
}

function hex(value: bigint): string {
  return value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`
}
