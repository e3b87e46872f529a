import { describe, expect, it } from "vitest"
import { IDEMPOTENCY_KEY_LENGTH_MAX, IDEMPOTENCY_LENGTH_MAX, idempotencyName, sameRequest } from "./idempotency.ts"

const FINGERPRINT = "abcdefghijklmnopqrstuvwxyz"

describe("the caller's name of a write", () => {
  it("with another fingerprint is one key for two requests; without one it is any request's under the key", () => {
    expect(sameRequest("k#aa", "k#aa")).toBe("same")
    expect(sameRequest("k#aa", "k#bb")).toBe("reused")
    expect(sameRequest("k", "k#bb")).toBe("same")
    expect(sameRequest("k#bb", "k")).toBe("same")
    expect(sameRequest("k", "k")).toBe("same")
    expect(sameRequest("k#aa", "l#aa")).toBe("other")
    expect(sameRequest("k", "k2#aa")).toBe("other")
  })

  it("is no longer than a replica of before takes: a long key has less room for a fingerprint, the longest none", () => {
    expect(idempotencyName("k", FINGERPRINT)).toBe("k#abcdefghijkl")
    for (let length = 1; length <= IDEMPOTENCY_KEY_LENGTH_MAX; length++)
      expect(idempotencyName("k".repeat(length), FINGERPRINT).length).toBeLessThanOrEqual(IDEMPOTENCY_LENGTH_MAX)
    expect(idempotencyName("k".repeat(55), FINGERPRINT)).toBe(`${"k".repeat(55)}#abcd`)
    expect(idempotencyName("k".repeat(56), FINGERPRINT)).toBe("k".repeat(56))
  })
})
