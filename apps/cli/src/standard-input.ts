/** Standard input as text: waited for, be it a pipe whose writer is slow, and refused where it is none. */
import { bad } from "./failure.ts"

/** All of it, to its end. */
export async function textOf(input: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of input) pieces.push(piece)
  try {
    // A mark at the beginning is kept: it belongs to the value.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(pieces))
  } catch {
    throw bad("value", "what comes from standard input is not UTF-8: send text, or bytes as base64")
  }
}
