/** Reads a body as UTF-8 text within a limit of bytes and of time: a slow sender is told so, and holds nothing up for long. */
import type { IncomingMessage } from "node:http"
import { Readable } from "node:stream"
import type { Context } from "hono"
import { Problem } from "../problem.ts"

const SLOW_MILLISECONDS = 10_000

/** Without a byte order mark at its beginning, which JSON has none of. */
export async function readText(context: Context, bytesMax: number, milliseconds = SLOW_MILLISECONDS): Promise<string> {
  return (await readValue(context, bytesMax, milliseconds)).replace(/^\uFEFF/, "")
}

/** To the last character as it was sent: what is put is what is got. */
export async function readValue(context: Context, bytesMax: number, milliseconds = SLOW_MILLISECONDS): Promise<string> {
  if (Number(context.req.header("content-length") ?? 0) > bytesMax) throw tooLarge(bytesMax)
  const chunks: Uint8Array[] = []
  let size = 0
  const deadline = Date.now() + milliseconds
  const parts = partsOf(context)[Symbol.asyncIterator]()
  for (;;) {
    const part = await before(deadline, parts.next())
    if (part.done === true) break
    size += part.value.byteLength
    if (size > bytesMax) throw tooLarge(bytesMax)
    chunks.push(part.value)
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))
  } catch {
    const remedy = "send text as UTF-8; bytes as base64"
    throw new Problem({ status: 400, title: "Bad request", detail: "the body is not UTF-8", field: "body", remedy })
  }
}

/** Node.js's own stream where there is one: the web's, made of it, costs more than all the rest of a small request. */
function partsOf(context: Context): AsyncIterable<Uint8Array> {
  const incoming = (context.env as { readonly incoming?: IncomingMessage } | undefined)?.incoming
  return incoming ?? context.req.raw.body ?? NOTHING
}

const NOTHING: AsyncIterable<Uint8Array> = Readable.from([])

async function before<T>(deadline: number, reading: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(slow()), Math.max(0, deadline - Date.now()))
  })
  try {
    return await Promise.race([reading, late])
  } finally {
    clearTimeout(timer)
  }
}

function slow(): Problem {
  const detail = "the body did not come in time"
  return new Problem({ status: 408, title: "Request timeout", detail, field: "body", remedy: "send it at once" }, { connection: "close" })
}

function tooLarge(bytesMax: number): Problem {
  const detail = `the body has more than ${bytesMax} bytes`
  return new Problem({ status: 413, title: "Content too large", detail, field: "body", remedy: "cut the value into several keys" })
}
