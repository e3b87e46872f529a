import { describe, expect, it } from "vitest"
import { keysCopiedSince } from "./store-care.ts"

describe("keys that a change of members copied", () => {
  const of = (counts: Readonly<Record<string, number>>): { shard: string; keysCopied: number }[] =>
    Object.entries(counts).map(([shard, keysCopied]) => ({ shard, keysCopied }))

  // Replicas count since they began: the second change told what the first had copied, too.
  it("are those since it began", () => {
    expect(keysCopiedSince(of({ a: 100, b: 50 }), of({ a: 130, b: 50 }))).toBe(30)
  })

  it("count from none where a replica was not there or began again", () => {
    expect(keysCopiedSince(of({ a: 100 }), of({ a: 7, new: 20 }))).toBe(27)
  })
})
