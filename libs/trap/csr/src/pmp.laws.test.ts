/** PMP against a stupid reference: one question per byte, straight from the manual's text. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { newCsrFile, Slot, type CsrFile } from "./csr-file.ts"
import { openPmp, PmpBit, pmpIsOpen, PmpMode, pmpPermits, pmpRanges, writePmpAddress, writePmpConfiguration, type Access } from "./pmp.ts"
import type { Privilege } from "./privilege.ts"

const BIT: Readonly<Record<Access, number>> = { read: PmpBit.read, write: PmpBit.write, execute: PmpBit.execute }

/** The entry that decides about one byte, or -1. */
function entryOf(file: CsrFile, address: bigint): number {
  for (let entry = 0; entry < 16; entry += 1) {
    const config = configOf(file, entry)
    const top = file.get(Slot.pmpaddr0 + entry)
    const mode = (config >> PmpBit.modeShift) & 3
    const word = address >> 2n
    if (mode === PmpMode.topOfRange && word < top && word >= (entry === 0 ? 0n : file.get(Slot.pmpaddr0 + entry - 1))) return entry
    if (mode === PmpMode.naturallyFour && word === top) return entry
    if (mode === PmpMode.naturallyPowerOfTwo) {
      let ignored = 1n
      for (let rest = top; (rest & 1n) === 1n; rest >>= 1n) ignored = (ignored << 1n) | 1n
      if ((word | ignored) === (top | ignored)) return entry
    }
  }
  return -1
}

function configOf(file: CsrFile, entry: number): number {
  return Number((file.get(entry < 8 ? Slot.pmpcfg0 : Slot.pmpcfg2) >> BigInt((entry % 8) * 8)) & 0xffn)
}

function reference(file: CsrFile, wanted: { address: bigint; bytes: number; access: Access; privilege: Privilege }): boolean {
  const entries = Array.from({ length: wanted.bytes }, (_, index) => entryOf(file, wanted.address + BigInt(index)))
  const matching = entries.filter((entry) => entry >= 0)
  if (matching.length === 0) return wanted.privilege === 3
  const lowest = Math.min(...matching)
  if (entries.some((entry) => entry !== lowest)) return false
  const config = configOf(file, lowest)
  return (wanted.privilege === 3 && (config & PmpBit.locked) === 0) || (config & BIT[wanted.access]) !== 0
}

/** A small address space, so that entries overlap. */
const address = fc.bigInt({ min: 0n, max: 0x7fn })
const setup = fc.record({
  addresses: fc.array(address, { minLength: 16, maxLength: 16 }),
  low: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  high: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
})

describe("PMP", () => {
  it("decides as the manual's text does, byte by byte", () => {
    fc.assert(
      fc.property(
        setup,
        fc.bigInt({ min: 0n, max: 0x210n }),
        fc.constantFrom(1, 2, 4, 8),
        fc.constantFrom<Access>("read", "write", "execute"),
        fc.constantFrom<Privilege>(0, 1, 3),
        (state, at, bytes, access, privilege) => {
          const file = newCsrFile(0)
          state.addresses.forEach((value, entry) => writePmpAddress(file, entry, value))
          writePmpConfiguration(file, 0, state.low)
          writePmpConfiguration(file, 1, state.high)
          const wanted = { address: at, bytes, access, privilege }
          expect(pmpPermits(file, wanted)).toBe(reference(file, wanted))
        },
      ),
      { numRuns: 400 },
    )
  })

  it("a locked entry keeps its configuration, its address and the bottom of its range", () => {
    const file = newCsrFile(0)
    writePmpAddress(file, 0, 0x10n)
    writePmpAddress(file, 1, 0x20n)
    const locked = BigInt(PmpBit.locked | (PmpMode.topOfRange << PmpBit.modeShift) | PmpBit.read)
    writePmpConfiguration(file, 0, locked << 8n)
    writePmpConfiguration(file, 0, 0n)
    writePmpAddress(file, 0, 0x1n)
    writePmpAddress(file, 1, 0x1n)
    expect(pmpRanges(file)).toEqual([{ entry: 1, from: 0x40n, to: 0x80n, read: true, write: false, execute: false, locked: true }])
  })

  it("after reset M-mode may do everything and S-mode nothing; opened, both may", () => {
    const file = newCsrFile(0)
    expect([pmpIsOpen(file, 3), pmpIsOpen(file, 1)]).toEqual([true, false])
    openPmp(file)
    expect([pmpIsOpen(file, 3), pmpIsOpen(file, 1)]).toEqual([true, true])
  })

  it("write without read is not legal and becomes no access", () => {
    const file = newCsrFile(0)
    writePmpConfiguration(file, 0, 0x7an)
    expect(file.get(Slot.pmpcfg0)).toBe(0x18n)
  })
})
