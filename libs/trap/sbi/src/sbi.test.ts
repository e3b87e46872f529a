import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Extension, SbiError } from "./sbi-numbers.ts"
import { callSbi } from "./sbi.ts"
import type { SbiView } from "./sbi-types.ts"

const VIEW: SbiView = { harts: ["started", "stopped", "suspended"], memory: { from: 0x8000_0000n, bytes: 0x10_0000n }, input: [0x61, 0x62] }
const ALL = 0xffff_ffff_ffff_ffffn

function call(extension: bigint, number: bigint, ...values: bigint[]) {
  return callSbi({ hart: 0, extension, function: number, arguments: values }, VIEW)
}

describe("SBI", () => {
  it("the probe says yes to exactly what answers", () => {
    const { base, ...others } = Extension
    for (const extension of [base, ...Object.values(others)]) expect(call(Extension.base, 3n, extension).value).toBe(1n)
    for (const extension of [4n, 9n, 0x504d55n]) {
      expect(call(Extension.base, 3n, extension).value).toBe(0n)
      expect(call(extension, 0n).error).toBe(SbiError.notSupported)
    }
  })

  it("the timer is set for the calling hart", () => {
    expect(call(Extension.time, 0n, 500n)).toEqual({ error: 0n, value: 0n, effects: [{ kind: "set-timer", hart: 0, deadline: 500n }] })
  })

  it("a hart mask counts from its base; a base of all ones means everyone; a hart that does not exist is refused", () => {
    expect(call(Extension.interprocessor, 0n, 0b11n, 1n).effects).toEqual([{ kind: "raise-software", harts: [1, 2] }])
    expect(call(Extension.interprocessor, 0n, 0n, ALL).effects).toEqual([{ kind: "raise-software", harts: [0, 1, 2] }])
    expect(call(Extension.interprocessor, 0n, 0b1000n, 0n)).toEqual({ error: SbiError.invalidParameter, value: 0n, effects: [] })
  })

  it("remote fences name harts, range and address space", () => {
    expect(call(Extension.remoteFence, 1n, 1n, 0n, 0n, 0n).effects).toEqual([
      { kind: "fence-translations", harts: [0], range: null, addressSpace: null },
    ])
    expect(call(Extension.remoteFence, 2n, 1n, 0n, 0x1000n, 0x2000n, 7n).effects).toEqual([
      { kind: "fence-translations", harts: [0], range: { from: 0x1000n, bytes: 0x2000n }, addressSpace: 7n },
    ])
    expect(call(Extension.remoteFence, 0n, 1n, 0n).effects).toEqual([{ kind: "fence-instructions", harts: [0] }])
  })

  it("only a stopped hart starts, and only inside memory", () => {
    expect(call(Extension.hartState, 0n, 1n, 0x8000_0200n, 9n).effects).toEqual([{ kind: "start", hart: 1, pc: 0x8000_0200n, opaque: 9n }])
    expect(call(Extension.hartState, 0n, 0n, 0x8000_0200n, 9n).error).toBe(SbiError.alreadyAvailable)
    expect(call(Extension.hartState, 0n, 1n, 0x10n, 9n).error).toBe(SbiError.invalidAddress)
    expect(call(Extension.hartState, 0n, 3n, 0x8000_0200n, 9n).error).toBe(SbiError.invalidParameter)
    expect([0n, 1n, 2n].map((hart) => call(Extension.hartState, 2n, hart).value)).toEqual([0n, 1n, 4n])
  })

  it("the debug console moves physical memory and says how much", () => {
    expect(call(Extension.debugConsole, 0n, 5n, 0x8000_0100n, 0n)).toEqual({
      error: 0n,
      value: 5n,
      effects: [{ kind: "console-write", address: 0x8000_0100n, bytes: 5 }],
    })
    expect(call(Extension.debugConsole, 1n, 16n, 0x8000_0100n, 0n)).toEqual({
      error: 0n,
      value: 2n,
      effects: [
        { kind: "consume-input", bytes: 2 },
        { kind: "write-memory", address: 0x8000_0100n, data: [0x61, 0x62] },
      ],
    })
    expect(call(Extension.debugConsole, 0n, 5n, 0x8010_0000n, 0n).error).toBe(SbiError.invalidParameter)
  })

  it("legacy calls leave a1 alone", () => {
    expect(call(Extension.legacyGetCharacter, 0n)).toEqual({ error: 0x61n, value: null, effects: [{ kind: "consume-input", bytes: 1 }] })
    expect(call(Extension.legacyPutCharacter, 0n, 0x41n).value).toBeNull()
  })

  it("shutdown tells success from failure, and resets are told apart from it", () => {
    expect(call(Extension.systemReset, 0n, 0n, 0n).effects).toEqual([{ kind: "shutdown", outcome: "success" }])
    expect(call(Extension.systemReset, 0n, 0n, 1n).effects).toEqual([{ kind: "shutdown", outcome: "failure" }])
    expect(call(Extension.systemReset, 0n, 1n, 0n).effects).toEqual([{ kind: "reset" }])
    expect(call(Extension.systemReset, 0n, 9n, 0n).error).toBe(SbiError.invalidParameter)
  })

  it("any call has an answer in 64 bits, and effects name only harts that exist and memory that is there", () => {
    const word = fc.oneof(
      fc.bigInt({ min: 0n, max: ALL }),
      fc.bigInt({ min: 0n, max: 8n }),
      fc.bigInt({ min: 0x7fff_fff0n, max: 0x8010_0010n }),
    )
    const extension = fc.oneof(word, fc.constantFrom(...Object.values(Extension)))
    fc.assert(
      fc.property(extension, word, fc.array(word, { maxLength: 6 }), (which, number, values) => {
        const { error, value, effects } = call(which, number, ...values)
        expect(BigInt.asUintN(64, error)).toBe(error)
        expect(BigInt.asUintN(64, value ?? 0n)).toBe(value ?? 0n)
        for (const effect of effects) {
          if ("harts" in effect) expect(effect.harts.every((hart) => hart < 3)).toBe(true)
          if (effect.kind === "console-write") expect(effect.address + BigInt(effect.bytes)).toBeLessThanOrEqual(0x8010_0000n)
        }
      }),
      { numRuns: 500 },
    )
  })
})
