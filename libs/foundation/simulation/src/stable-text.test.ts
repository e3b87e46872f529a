import { describe, expect, it } from "vitest"
import { digestOfBytes } from "./digest.ts"
import { deepFreeze } from "./deep-freeze.ts"
import { fieldsText, stableText } from "./stable-text.ts"

describe("the text of a value", () => {
  it("does not depend on the order of fields, nor on fields that are undefined", () => {
    expect(stableText({ b: 1, a: [true, null, "x"], gone: undefined })).toBe(`{a: [true, null, "x"], b: 1}`)
    expect(stableText({ a: [true, null, "x"], b: 1 })).toBe(stableText({ b: 1, a: [true, null, "x"] }))
  })

  it("tells unlike values apart: text and number, bigint and number, order of a list", () => {
    const texts = [1, 1n, -1n, "1", [1], [1, 2], [2, 1], { a: 1 }, {}, [], null, true, 0.5, new Uint8Array([1])].map(stableText)
    expect(new Set(texts).size).toBe(texts.length)
  })

  it("shows bigint as hex, few bytes whole and many by length and digest", () => {
    expect(fieldsText({ kind: "Data", pc: 0x8000_0000n, bytes: new Uint8Array([0, 255]) })).toBe("{bytes: <00ff>, pc: 0x80000000}")
    const page = new Uint8Array(4096)
    const text = stableText(page)
    expect(text).toMatch(/^<4096 bytes [0-9a-f]{16}>$/)
    page[4095] = 1
    expect(stableText(page)).not.toBe(text)
  })
})

describe("long text", () => {
  it("is shown by its beginning, length and digest, and differs in its last character", () => {
    const long = "x".repeat(5000)
    expect(stableText(long)).toMatch(/^"x{24}"…<5000 characters [0-9a-f]{16}>$/)
    expect(stableText(`${long.slice(1)}y`)).not.toBe(stableText(long))
  })

  it("has a digest that every single changed bit changes, in both halves", () => {
    const bytes = new Uint8Array(64)
    const digests = new Set([digestOfBytes(bytes)])
    for (let bit = 0; bit < 512; bit++) {
      const changed = bytes.slice()
      changed[bit >> 3] = 1 << (bit & 7)
      digests.add(digestOfBytes(changed))
    }
    expect(digests.size).toBe(513)
    expect(new Set([...digests].map((digest) => digest.slice(0, 8))).size).toBe(513)
    expect(new Set([...digests].map((digest) => digest.slice(8))).size).toBe(513)
  })
})

describe("a frozen value", () => {
  it("has the same text each time, and the text that it has thawed", () => {
    const made = (): object => ({ list: [{ b: "x".repeat(60), a: 1n }, []], name: "n".repeat(130) })
    const frozen = deepFreeze(made())
    const texts = [stableText(frozen), stableText(frozen), stableText([frozen]).slice(1, -1), fieldsText(frozen), stableText(made())]
    expect(new Set(texts).size).toBe(1)
  })

  it("with bytes, that can still change, is looked at each time", () => {
    const bytes = new Uint8Array(64)
    const frozen = deepFreeze({ page: { bytes, of: "a space with a name that is long enough to be kept" } })
    const before = stableText(frozen)
    bytes[63] = 1
    expect(stableText(frozen)).not.toBe(before)
  })

  it("cannot be changed at any depth", () => {
    const value = deepFreeze({ list: [{ deep: 1 }] })
    expect(() => Object.assign(value.list[0]!, { deep: 2 })).toThrow(TypeError)
  })

  it("holds nothing that no codec carries", () => {
    expect(() => deepFreeze({ run: () => 1 })).toThrow(/no function/)
    expect(() => deepFreeze({ map: new Map() })).toThrow(/no Map/)
  })
})
