/**
 * One record of the log.
 *
 * ```
 * byte 0   0xb5  mark
 * 1        kind: 1 put, 2 remove, 3 checkpoint begins, 4 checkpoint ends
 * 2…5      bytes of the payload, unsigned, little endian
 * 6…9      CRC-32C of bytes 0…5 and of everything from byte 10 on
 * 10…17    sequence, float64, little endian: +1 a record over all segments, so a record in the wrong place does not fit
 * 18…      payload: UTF-8 JSON: [key, value] of a put, [key] of a remove, [] else
 * ```
 */
import type { Json } from "@backplane/foundation-base/json"
import { crc32c } from "./crc32c.ts"
import { decodeUtf8, encodeUtf8 } from "./utf8.ts"

export const RECORD_MARK = 0xb5
export const HEADER_BYTES = 18
/** Longer payloads are not written, so a length above it is damage. */
export const PAYLOAD_BYTES_MAX = 16 * 1024 * 1024

export type LogRecord =
  | { readonly kind: "put"; readonly sequence: number; readonly key: string; readonly value: Json }
  | { readonly kind: "remove"; readonly sequence: number; readonly key: string }
  | { readonly kind: "checkpoint-begin" | "checkpoint-end"; readonly sequence: number }

const KINDS = ["put", "remove", "checkpoint-begin", "checkpoint-end"] as const

/** UTF-8 of the text behind `room` bytes that are left to the caller. */
export type EncodeText = (text: string, room: number) => Uint8Array
/** The text of `bytes[start…end)`, which `EncodeText` made. JSON text has no lone surrogates, so any host's UTF-8 will do. */
export type DecodeText = (bytes: Uint8Array, start: number, end: number) => string

/** `encode`: the host's encoder, where it has a faster one than pure code. */
export function encodeRecord(record: LogRecord, encode: EncodeText = encodeUtf8): Uint8Array {
  const bytes = encode(JSON.stringify(payloadOf(record)), HEADER_BYTES)
  bytes[0] = RECORD_MARK
  bytes[1] = KINDS.indexOf(record.kind) + 1
  writeUint32(bytes, 2, bytes.length - HEADER_BYTES)
  SEQUENCE.setFloat64(0, record.sequence, true)
  bytes.set(SEQUENCE_BYTES, 10)
  writeUint32(bytes, 6, checksumOf(bytes, 0, bytes.length))
  return bytes
}

const SEQUENCE_BYTES = new Uint8Array(8)
const SEQUENCE = new DataView(SEQUENCE_BYTES.buffer)

/** Little endian. */
function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}

export interface Decoded {
  readonly record: LogRecord
  /** Offset of the byte behind it. */
  readonly end: number
}

/** The record at `start`, or null where there is none that its checksum vouches for. Never throws. `decode`: the host's. */
export function decodeRecord(bytes: Uint8Array, start: number, decode: DecodeText = decodeUtf8): Decoded | null {
  if (start + HEADER_BYTES > bytes.length || bytes[start] !== RECORD_MARK) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const payloadBytes = view.getUint32(start + 2, true)
  const end = start + HEADER_BYTES + payloadBytes
  if (payloadBytes > PAYLOAD_BYTES_MAX || end > bytes.length) return null
  if (view.getUint32(start + 6, true) !== checksumOf(bytes, start, end)) return null
  const kind = KINDS[(bytes[start + 1] ?? 0) - 1]
  const sequence = view.getFloat64(start + 10, true)
  if (kind === undefined) return null
  if (kind !== "put" && kind !== "remove") return { record: { kind, sequence }, end }
  const payload: unknown = JSON.parse(decode(bytes, start + HEADER_BYTES, end))
  if (!Array.isArray(payload)) return null
  const [key, value] = payload as readonly Json[]
  if (typeof key !== "string") return null
  return { record: kind === "put" ? { kind, sequence, key, value: value ?? null } : { kind, sequence, key }, end }
}

function payloadOf(record: LogRecord): Json {
  if (record.kind === "put") return [record.key, record.value]
  return record.kind === "remove" ? [record.key] : []
}

/** Of all but the four bytes that hold it. */
function checksumOf(bytes: Uint8Array, start: number, end: number): number {
  // Two sums instead of a copy without the hole; the second is mixed so that swapping the parts is seen.
  return (crc32c(bytes, start, start + 6) ^ rotated(crc32c(bytes, start + 10, end))) >>> 0
}

function rotated(crc: number): number {
  return ((crc << 13) | (crc >>> 19)) >>> 0
}
