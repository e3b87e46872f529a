/** A guest that writes for ever fills nothing. */
import { describe, expect, it } from "vitest"
import { KeptConsole } from "./kept-console.ts"

describe("the kept console", () => {
  it("keeps the first 16 KiB and counts the rest, also over a move", () => {
    const before = new KeptConsole(null)
    before.add(new Uint8Array(16_000).fill(65))
    const after = new KeptConsole(before.capture())
    after.add(new Uint8Array(1000).fill(66))
    const kept = after.kept()
    expect([kept.length, kept[15_999], kept[16_000], after.bytes]).toEqual([16_384, 65, 66, 17_000])
    after.add(Uint8Array.of(67))
    expect([after.kept().length, after.bytes]).toEqual([16_384, 17_001])
  })
})
