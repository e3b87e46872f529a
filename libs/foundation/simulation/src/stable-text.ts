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
/** Texts from this length on are kept. */
const KEPT_FROM = 48

/**
 * Texts of what cannot change any more. Messages are made of what was in messages before (a configuration, a version, a list of holders): in a run of
 * the key-value store six sevenths of all text. Who is frozen is taken for frozen deeply, as `deepFreeze` takes him.
 */
const KEPT = new WeakMap<object, string>()
/** How often bytes were met, which nothing freezes: what holds some is not kept. */
let bytesMet = 0

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
  if (ArrayBuffer.isView(value)) return bytesText(value)
  if (!Object.isFrozen(value)) return structureText(value)
  const kept = KEPT.get(value)
  if (kept !== undefined) return kept
  const before = bytesMet
  const text = structureText(value)
  if (text.length >= KEPT_FROM && bytesMet === before) KEPT.set(value, text)
  return text
}

function structureText(value: object): string {
  return Array.isArray(value) ? listText(value) : recordText(value, null)
}

function listText(list: readonly unknown[]): string {
  let text = "["
  for (let index = 0; index < list.length; index++) text += index === 0 ? stableText(list[index]) : `, ${stableText(list[index])}`
  return `${text}]`
}

function recordText(value: object, without: string | null): string {
  const names = Object.keys(value)
  if (!inOrder(names)) names.sort(compareText)
  const record = value as Readonly<Record<string, unknown>>
  let text = "{"
  for (const name of names) {
    const field = record[name]
    if (field === undefined || name === without) continue
    text += text.length === 1 ? `${name}: ${stableText(field)}` : `, ${name}: ${stableText(field)}`
  }
  return `${text}}`
}

function inOrder(names: readonly string[]): boolean {
  for (let index = 1; index < names.length; index++) if ((names[index] ?? "") < (names[index - 1] ?? "")) return false
  return true
}

function textText(text: string): string {
  if (text.length <= TEXT_SHOWN_MAX) return JSON.stringify(text)
  return `${JSON.stringify(text.slice(0, TEXT_BEGINNING))}…<${text.length} characters ${digestOfText(text)}>`
}

function bytesText(view: ArrayBufferView): string {
  bytesMet++
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
  if (bytes.length > BYTES_SHOWN_MAX) return `<${bytes.length} bytes ${digestOfBytes(bytes)}>`
  return `<${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}>`
}

function hex(value: bigint): string {
  return value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`
}
