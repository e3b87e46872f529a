import { describe, expect, it } from "vitest"
import { decodeFrame, encodeFrame, encodeParts } from "./batch-frame.ts"

const ROOM = 4
const RAW = Uint8Array.from({ length: 300 }, (_, index) => index & 0xff)

describe("a frame", () => {
  it("gives back texts, and raw bytes beside those that had some", () => {
    const frame = encodeFrame(['{"a":1}', '{"b":"ü"}', '{"c":3}'], [{}, { raw: RAW }, { raw: RAW.subarray(0, 7) }])
    const told = decodeFrame(frame)
    if (typeof told === "string") throw new Error(told)
    expect(told.map(({ value, raw }) => ({ value, raw: raw && [...raw] }))).toEqual([
      { value: { a: 1 }, raw: undefined },
      { value: { b: "ü" }, raw: [...RAW] },
      { value: { c: 3 }, raw: [...RAW.subarray(0, 7)] },
    ])
  })

  it("is the same in parts, where many raw bytes are not copied", () => {
    const many = Uint8Array.from({ length: 40_000 }, (_, index) => index % 251)
    for (const raw of [RAW, many]) {
      const said = [["{}", '{"b":2}', "[3]"], [{}, { raw }, { raw: RAW.subarray(0, 7) }], ROOM] as const
      const parts = encodeParts(...said)
      expect(Buffer.compare(Buffer.concat(parts).subarray(ROOM), encodeFrame(...said).subarray(ROOM))).toBe(0)
      expect(parts.includes(raw as never)).toBe(raw === many)
    }
  })

  it("without raw bytes is as it always was", () => {
    expect(encodeFrame(["{}"], [{}])[0]).toBe(0xb1)
    expect(decodeFrame(encodeFrame(["{}"], [{}]))).toEqual([{ value: {} }])
  })

  it("that is cut anywhere, or says other lengths, is refused and never throws", () => {
    const frame = encodeFrame(['{"a":1}', '{"b":2}'], [{}, { raw: RAW }])
    for (let end = 0; end < frame.length; end++) expect(typeof decodeFrame(frame.subarray(0, end))).toBe("string")
    for (let at = 1; at < 16; at++) {
      const broken = Buffer.from(frame)
      broken.writeUInt8(0xff, at)
      expect(() => decodeFrame(broken)).not.toThrow()
    }
  })
})
