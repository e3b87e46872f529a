import { Readable } from "node:stream"
import { describe, expect, it } from "vitest"
import { textOf } from "./standard-input.ts"

const piped = (...pieces: readonly (readonly number[])[]): AsyncIterable<Uint8Array> =>
  Readable.from(pieces.map((piece) => Uint8Array.from(piece)))

describe("standard input as text", () => {
  // It was read at once: from a pipe that had nothing yet, the command ended with EAGAIN and a stack.
  it("is waited for, be its writer slow, and a character may come in two pieces", async () => {
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield Uint8Array.of(0x61, 0xc3)
      await new Promise((resolve) => setTimeout(resolve, 20))
      yield Uint8Array.of(0xb6)
    }
    expect(await textOf(slow())).toBe("aö")
    expect(await textOf(piped())).toBe("")
    expect(await textOf(piped([0xef, 0xbb, 0xbf, 0x61]))).toBe("\uFEFFa")
  })

  // Each such byte was stored as U+FFFD, and the command said ok.
  it("that is none is refused, with the remedy", async () => {
    await expect(textOf(piped([0x61, 0xff]))).rejects.toMatchObject({
      kind: "bad-input",
      message: expect.stringMatching(/^value: .*base64/),
    })
  })
})
