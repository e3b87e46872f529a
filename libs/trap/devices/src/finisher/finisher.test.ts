import { expect, it } from "vitest"
import { Finisher } from "./finisher.ts"

function after(...words: readonly bigint[]) {
  const finisher = new Finisher()
  for (const word of words) finisher.store(0, 4, word)
  return finisher.finish()
}

it("0x5555 passes, 0x3333 fails with the high half, 0x7777 resets, all else means nothing", () => {
  expect(after(0x5555n)).toEqual({ kind: "pass" })
  expect(after(0x002a_3333n)).toEqual({ kind: "fail", code: 42 })
  expect(after(0x7777n)).toEqual({ kind: "reset" })
  expect(after(0n, 0x1234n)).toBeNull()
})

it("the first word that means something is final", () => {
  expect(after(1n, 0x5555n, 0x1_3333n)).toEqual({ kind: "pass" })
})

it("other offsets and single bytes mean nothing, loads give zero", () => {
  const finisher = new Finisher()
  finisher.store(4, 4, 0x5555n)
  finisher.store(0, 1, 0x5555n)
  expect([finisher.finish(), finisher.load(0, 8)]).toEqual([null, 0n])
})
