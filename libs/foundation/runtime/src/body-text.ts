/** One body to JSON text and back, as every bus of the runtime does it: never throws, says what is wrong instead. */
import type { Body } from "@backplane/foundation-actor/machine"
import type { Json } from "@backplane/foundation-base/json"
import type { BodyCodec } from "./body-codec.ts"

export type Encoded = { readonly text: string; readonly reason?: undefined } | { readonly text?: undefined; readonly reason: string }

export function encodeBody(codec: BodyCodec, body: Body, bytesMax: number): Encoded {
  let text: string
  try {
    text = JSON.stringify(codec.encode(body))
  } catch (error) {
    return { reason: `${body.kind} cannot be JSON: ${error instanceof Error ? error.message : String(error)}` }
  }
  // A code unit is at most 3 bytes of UTF-8: count exactly only where it could matter.
  if (text.length * 3 <= bytesMax) return { text }
  const bytes = Buffer.byteLength(text)
  return bytes <= bytesMax ? { text } : { reason: `${body.kind} has ${bytes} bytes, the bus carries ${bytesMax}: send it in parts` }
}

/** undefined where it is no JSON. */
export function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}
