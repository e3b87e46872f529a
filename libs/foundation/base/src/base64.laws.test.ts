/** Base64 against the encoder of Node.js. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { decodeBase64, decodedBytes, encodeBase64, isBase64 } from "./base64.ts"

describe("base64", () => {
  it("is what Node.js makes of the same bytes, and comes back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const text = encodeBase64(bytes)
        expect(text).toBe(Buffer.from(bytes).toString("base64"))
        expect(isBase64(text)).toBe(true)
        expect(decodedBytes(text)).toBe(bytes.length)
        expect(decodeBase64(text)).toEqual(bytes)
      }),
    )
  })

  it("of many bytes comes back", () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => (index * 7) & 0xff)
    expect(decodeBase64(encodeBase64(bytes))).toEqual(bytes)
  })

  it("is told from other text", () => {
    for (const text of ["a", "abc", "ab=c", "====", "ab\nc", "abc-", "äbcd", "A==="]) expect(isBase64(text)).toBe(false)
    for (const text of ["", "AAAA", "AAA=", "AA=="]) expect(isBase64(text)).toBe(true)
  })
})
