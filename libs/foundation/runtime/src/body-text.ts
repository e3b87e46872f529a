/**
 * One body to JSON text and back, as every bus of the runtime does it: never throws, says what is wrong instead.
 *
 * A body's field `bytes` may be a `Uint8Array`, not empty: it is kept beside the text, raw, where the bus can carry it so (batch-frame.ts), and is base64 in
 * the text where it cannot. For the contract it is base64 text either way; who reads it takes both.
 *
 * A body may be all raw bytes (`BodyCodec.packer`), where the other side is known to read that: `PACKED` is its text then.
 */
import type { Body } from "@backplane/foundation-actor/machine"
import type { Json } from "@backplane/foundation-base/json"
import { NotPacked } from "@backplane/foundation-base/packed-bytes"
import type { BodyCodec, Decoded } from "./body-codec.ts"
import { ByteReader, ByteWriter } from "./packed-bytes.ts"

export type Encoded =
  | { readonly text: string; readonly raw?: Uint8Array; readonly reason?: undefined }
  | { readonly text?: undefined; readonly raw?: undefined; readonly reason: string }

export function encodeBody(codec: BodyCodec, body: Body, bytesMax: number): Encoded {
  const raw = "bytes" in body && body.bytes instanceof Uint8Array ? body.bytes : undefined
  let text: string
  try {
    text = JSON.stringify(codec.encode(raw === undefined ? body : withoutBytes(body)))
  } catch (error) {
    return { reason: `${body.kind} cannot be JSON: ${error instanceof Error ? error.message : String(error)}` }
  }
  // A code unit is at most 3 bytes of UTF-8: count exactly only where it could matter. Raw bytes may have to go as text.
  const rest = raw === undefined ? 0 : base64Length(raw.length) + BYTES_FIELD.length + 2
  if (text.length * 3 + rest <= bytesMax) return raw === undefined ? { text } : { text, raw }
  const bytes = Buffer.byteLength(text) + rest
  if (bytes <= bytesMax) return raw === undefined ? { text } : { text, raw }
  return { reason: `${body.kind} has ${bytes} bytes, the bus carries ${bytesMax}: send it in parts` }
}

/** The text beside packed bytes. */
const PACKED = '{"packed":1}'
const writer = new ByteWriter()

/** The body as bytes; null where it has no such form, or is too large for it. */
export function packBody({ packer }: BodyCodec, body: Body, bytesMax: number): Encoded | null {
  if (packer === undefined) return null
  const isPacked = packer.pack(body, writer)
  if (isPacked && writer.length <= bytesMax) return { text: PACKED, raw: writer.take() }
  writer.reset()
  return null
}

function unpackBody({ packer }: BodyCodec, raw: Uint8Array): Decoded {
  if (packer === undefined) return { rejection: { field: "", reason: "packed bodies are not read here" } }
  try {
    return { body: packer.unpack(new ByteReader(raw)) }
  } catch (error) {
    if (!(error instanceof NotPacked)) throw error
    return { rejection: { field: error.field, reason: `a packed body: ${error.message}` } }
  }
}

const BYTES_FIELD = ',"bytes":"'

function withoutBytes(body: Body): Body {
  return Object.assign({}, body, { bytes: undefined })
}

/** The text with its raw bytes in it, for a bus or a peer that carries text only. */
export function withBytes(text: string, raw: Uint8Array | undefined): string {
  if (raw === undefined) return text
  const base64 = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString("base64")
  return `${text.slice(0, -1)}${BYTES_FIELD}${base64}"}`
}

function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4
}

/** What stands for raw bytes while a codec looks at a body: base64 text of the same length, whose letters nobody reads. */
const standIns = new Map<number, string>()
const STAND_INS_MAX = 64

function standIn(bytes: number): string {
  const length = base64Length(bytes)
  const known = standIns.get(length)
  if (known !== undefined) return known
  if (standIns.size >= STAND_INS_MAX) standIns.clear()
  const made = "A".repeat(length)
  standIns.set(length, made)
  return made
}

/** A value from anybody as a body, with the raw bytes that came beside it. */
export function decodeBody(codec: BodyCodec, value: Json, raw: Uint8Array | undefined): Decoded {
  if (raw === undefined) return codec.decode(value)
  if (value === null || typeof value !== "object" || Array.isArray(value)) return codec.decode(value)
  if ("packed" in value) return unpackBody(codec, raw)
  const decoded = codec.decode(Object.assign(value, { bytes: standIn(raw.length) }))
  if (decoded.body !== undefined) Object.assign(decoded.body, { bytes: raw })
  return decoded
}

/** undefined where it is no JSON. */
export function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}
