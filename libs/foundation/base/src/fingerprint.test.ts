import { expect, it } from "vitest"
import { Fingerprint } from "./fingerprint.ts"

const PRIME = 0x100000001b3n

/** FNV-1a as its authors write it, in whole numbers. */
function fnv(bytes: readonly number[]): string {
  const hash = bytes.reduce((sum, byte) => BigInt.asUintN(64, (sum ^ BigInt(byte)) * PRIME), 0xcbf29ce484222325n)
  return hash.toString(16).padStart(16, "0")
}

it("is FNV-1a over the bytes of the units, with a byte 0xff behind each text", () => {
  const texts = ["", "a", "foobar", "ÿ", "naïve ∀ 😀", "x".repeat(300)]
  const bytes = texts.flatMap((text) => [
    ...Array.from({ length: text.length }, (_, index) => text.charCodeAt(index)).flatMap((unit) =>
      unit > 0x7f ? [unit & 0xff, unit >>> 8] : [unit],
    ),
    0xff,
  ])
  expect(texts.reduce((fingerprint, text) => fingerprint.add(text), new Fingerprint()).hex()).toBe(fnv(bytes))
  expect(new Fingerprint().hex()).toBe("cbf29ce484222325")
})

it("is the same for ASCII that comes as text and as bytes, of which only the first count", () => {
  const text = "> kv-shard.0 KvPeer {epoch: 3}"
  const room = new Uint8Array(64).fill(7)
  room.set(Array.from(text, (unit) => unit.charCodeAt(0)))
  expect(new Fingerprint().add("before").addAscii(room, text.length).hex()).toBe(new Fingerprint().add("before").add(text).hex())
})
