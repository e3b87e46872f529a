/** Reads an OTLP request's body: content type, gzip, and both sizes limited, so that no sender can fill the memory. */
import type { IncomingMessage } from "node:http"
import { promisify } from "node:util"
import { gunzip } from "node:zlib"
import type { Encoding } from "@backplane/foundation-telemetry/collector/otlp-decode"
import { Problem } from "./problem.ts"

export const BODY_BYTES_MAX = 8 * 1024 * 1024
export const UNPACKED_BYTES_MAX = 32 * 1024 * 1024

export interface OtlpBody {
  readonly encoding: Encoding
  readonly bytes: Uint8Array
  /** As it came, for passing on. */
  readonly raw: Uint8Array
}

const ENCODINGS: ReadonlyMap<string, Encoding> = new Map([
  ["application/json", "json"],
  ["application/x-protobuf", "protobuf"],
])

const unpack = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(gunzip)

export async function readOtlpBody(incoming: IncomingMessage): Promise<OtlpBody> {
  const encoding = encodingOf(incoming.headers["content-type"])
  const packing = incoming.headers["content-encoding"]?.trim().toLowerCase() ?? "identity"
  if (packing !== "identity" && packing !== "gzip") {
    throw new Problem({
      status: 415,
      title: "Unsupported encoding",
      detail: `content-encoding is ${packing}`,
      field: "content-encoding",
      remedy: "gzip, or none",
    })
  }
  const raw = await readLimited(incoming)
  return { encoding, raw, bytes: packing === "gzip" ? await unpackLimited(raw) : raw }
}

function encodingOf(contentType: string | undefined): Encoding {
  const encoding = ENCODINGS.get(contentType?.split(";")[0]?.trim().toLowerCase() ?? "")
  if (encoding !== undefined) return encoding
  throw new Problem({
    status: 415,
    title: "Unsupported media type",
    detail: contentType === undefined ? "content-type is missing" : `content-type is ${contentType}`,
    field: "content-type",
    remedy: [...ENCODINGS.keys()].join(" or "),
  })
}

async function readLimited(incoming: IncomingMessage): Promise<Uint8Array> {
  // A sender that says it is too large is refused before a byte is read.
  if (Number(incoming.headers["content-length"] ?? 0) > BODY_BYTES_MAX) throw tooLarge(`more than ${BODY_BYTES_MAX} bytes`)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of incoming as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength
    if (size > BODY_BYTES_MAX) throw tooLarge(`more than ${BODY_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
}

async function unpackLimited(raw: Uint8Array): Promise<Uint8Array> {
  try {
    return await unpack(raw, { maxOutputLength: UNPACKED_BYTES_MAX })
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge(`more than ${UNPACKED_BYTES_MAX} bytes unpacked`)
    throw new Problem({
      status: 400,
      title: "Bad request",
      detail: "the body is not gzip",
      field: "content-encoding",
      remedy: "send gzip, or leave content-encoding out",
    })
  }
}

function tooLarge(what: string): Problem {
  return new Problem({
    status: 413,
    title: "Content too large",
    detail: `the body has ${what}`,
    field: "body",
    remedy: "send smaller batches",
  })
}
