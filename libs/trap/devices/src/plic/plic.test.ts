import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Width } from "../device.ts"
import { machineContext, Plic, plicReset, supervisorContext, type PlicAffinity } from "./plic.ts"

const UART = 10
const DISK = 1
const S0 = supervisorContext(0)
const S1 = supervisorContext(1)

/** As xv6 sets it up: both sources at priority 1, enabled for S-mode of two harts, threshold 0. */
function newPlic(affinity?: PlicAffinity) {
  const plic = new Plic(() => {}, plicReset(4), affinity)
  const store = (offset: number, value: number) => plic.store(offset, 4, BigInt(value))
  const claim = (context: number) => Number(plic.load(0x20_0004 + 0x1000 * context, 4))
  const complete = (context: number, source: number) => store(0x20_0004 + 0x1000 * context, source)
  store(4 * UART, 1)
  store(4 * DISK, 1)
  for (const context of [S0, S1]) {
    store(0x2000 + 0x80 * context, (1 << UART) | (1 << DISK))
    store(0x20_0000 + 0x1000 * context, 0)
  }
  return { plic, store, claim, complete, outputs: () => [0, 1, 2, 3].map((context) => plic.output(context)) }
}

describe("PLIC", () => {
  it("a request reaches every context that enabled it, and no other", () => {
    const { plic, outputs } = newPlic()
    plic.drive(UART, true)
    expect(outputs()).toEqual([false, true, false, true])
    expect(plic.load(0x1000, 4)).toBe(1n << 10n)
  })

  it("of two harts that claim only one gets it, the other gets 0", () => {
    const { plic, claim, outputs } = newPlic()
    plic.drive(UART, true)
    expect([claim(S1), claim(S0)]).toEqual([UART, 0])
    expect(outputs()).toEqual([false, false, false, false])
  })

  it("a source with an affinity goes to those harts only, and to whoever listens if none of them does", () => {
    const { plic, store, claim, complete, outputs } = newPlic(new Map([[UART, 0b10]]))
    plic.drive(UART, true)
    plic.drive(DISK, true)
    expect([outputs(), claim(S0), claim(S0), claim(S1)]).toEqual([[false, true, false, true], DISK, 0, UART])
    complete(S1, UART)
    store(0x2000 + 0x80 * S1, 0)
    plic.drive(UART, true)
    expect([outputs(), claim(S0)]).toEqual([[false, true, false, false], UART])
  })

  it("completion does not sample the level: a wire that stayed high does not interrupt again", () => {
    const { plic, claim, complete, outputs } = newPlic()
    plic.drive(UART, true)
    complete(S0, claim(S0))
    expect(outputs()).toEqual([false, false, false, false])
  })

  it("a request driven while the source was claimed shows at completion", () => {
    const { plic, claim, complete } = newPlic()
    plic.drive(UART, true)
    claim(S0)
    plic.drive(UART, true)
    expect(plic.output(S0)).toBe(false)
    complete(S0, UART)
    expect(plic.output(S0)).toBe(true)
  })

  it("a wire that falls before the claim takes its request back", () => {
    const { plic, claim } = newPlic()
    plic.drive(UART, true)
    plic.drive(UART, false)
    expect(claim(S0)).toBe(0)
  })

  it("higher priority first, then the lower number; equal to the threshold is not enough", () => {
    const { plic, store, claim } = newPlic()
    plic.drive(UART, true)
    plic.drive(DISK, true)
    store(4 * UART, 2)
    expect([claim(S0), claim(S0)]).toEqual([UART, DISK])
    const quiet = newPlic()
    quiet.plic.drive(DISK, true)
    quiet.store(0x20_0000 + 0x1000 * S0, 1)
    expect([quiet.plic.output(S0), quiet.plic.output(S1)]).toEqual([false, true])
  })

  it("priority 0, source 0 and sources that are not enabled never interrupt", () => {
    const { plic, store } = newPlic()
    store(4 * UART, 0)
    store(0x2000 + 0x80 * S0, 1)
    plic.drive(UART, true)
    plic.drive(0, true)
    expect([plic.output(S0), plic.output(S1), plic.output(machineContext(0)), plic.load(0x2000 + 0x80 * S0, 4)]).toEqual([
      false,
      false,
      false,
      0n,
    ])
  })

  it("any access anywhere has an answer that fits its width, and the outputs stay defined", () => {
    const offset = fc.oneof(
      fc.nat(0x60_0000),
      fc.nat(0x200),
      fc.nat(0x200).map((at) => 0x2000 + at),
      fc.nat(0x4000).map((at) => 0x20_0000 + at),
    )
    const access = fc.tuple(offset, fc.constantFrom<Width>(1, 2, 4, 8), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), fc.boolean())
    fc.assert(
      fc.property(fc.array(access, { maxLength: 60 }), (accesses) => {
        const { plic, outputs } = newPlic()
        for (const [at, width, value, stores] of accesses) {
          if (stores) plic.store(at, width, value)
          else expect(plic.load(at, width) >> BigInt(width * 8)).toBe(0n)
        }
        plic.drive(999, true)
        expect(outputs()).toHaveLength(4)
      }),
    )
  })
})
