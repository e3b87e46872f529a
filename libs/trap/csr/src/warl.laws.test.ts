/** WARL: whatever is written to whichever CSR, what it reads afterwards is legal, stable, and nothing else moved. */
import fc from "fast-check"
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { CSR_TABLE, csrByNumber, describeCsrs } from "./csr-table.ts"
import { newCsrFile, Slot, STATUS_XLEN } from "./csr-file.ts"
import { contents, START } from "./suite/laws.ts"
import { MPP, MPP_SHIFT } from "./status.ts"

const word64 = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn })
const anyCsr = fc.constantFrom(...CSR_TABLE)

describe("WARL fields", () => {
  it("a value read back from a CSR is legal: writing it again changes nothing", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyCsr, word64), { maxLength: 20 }), anyCsr, word64, (before, csr, value) => {
        // Counters excepted: what they show depends on the moment, which a write moves by one.
        fc.pre(!csr.name.includes("cycle") && !csr.name.includes("instret") && csr.name !== "mcountinhibit")
        const file = newCsrFile(1)
        for (const [other, written] of before) other.write(file, written, START)
        csr.write(file, value, START)
        const kept = contents(file)
        csr.write(file, (csr.readForModify ?? csr.read)(file, START), START)
        expect(contents(file)).toBe(kept)
      }),
    )
  })

  it("mstatus always names 64 bits and a legal previous privilege; satp is bare or Sv39; delegation stays inside its mask", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyCsr, word64), { maxLength: 30 }), (writes) => {
        const file = newCsrFile(0)
        for (const [csr, value] of writes) csr.write(file, value, START)
        expect(file.get(Slot.mstatus) & (15n << 32n)).toBe(STATUS_XLEN)
        expect((file.get(Slot.mstatus) & MPP) >> MPP_SHIFT).not.toBe(2n)
        expect([0n, 8n]).toContain(file.get(Slot.satp) >> 60n)
        expect(file.get(Slot.mideleg) & ~0x222n).toBe(0n)
        expect(file.get(Slot.medeleg) & ((1n << 10n) | (1n << 11n) | (1n << 14n))).toBe(0n)
        expect(file.get(Slot.mepc) & 1n).toBe(0n)
        expect(file.get(Slot.mtvec) & 2n).toBe(0n)
      }),
    )
  })

  it("sstatus, sie and sip change nothing that belongs to M-mode", () => {
    fc.assert(
      fc.property(word64, word64, word64, word64, (mstatus, mie, mideleg, value) => {
        const file = newCsrFile(0)
        csrByNumber(0x300)?.write(file, mstatus, START)
        csrByNumber(0x304)?.write(file, mie, START)
        csrByNumber(0x303)?.write(file, mideleg, START)
        const before = { status: file.get(Slot.mstatus), enables: file.get(Slot.mie), delegated: file.get(Slot.mideleg) }
        for (const number of [0x100, 0x104, 0x144]) csrByNumber(number)?.write(file, value, START)
        expect((file.get(Slot.mstatus) ^ before.status) & ~0xc_0122n).toBe(0n)
        expect((file.get(Slot.mie) ^ before.enables) & ~before.delegated).toBe(0n)
        expect(file.get(Slot.mipSoftware) & ~(before.delegated & 2n)).toBe(0n)
      }),
    )
  })

  it("a probe for Sv48 or Sv57 leaves satp as it was", () => {
    const file = newCsrFile(0)
    csrByNumber(0x180)?.write(file, (8n << 60n) | 0x80123n, START)
    for (const mode of [1n, 9n, 10n, 14n, 15n]) csrByNumber(0x180)?.write(file, (mode << 60n) | 0x99999n, START)
    expect(file.get(Slot.satp)).toBe((8n << 60n) | 0x80123n)
  })
})

describe("counters", () => {
  it("the next instruction reads what was written, and later ones count on from there", () => {
    fc.assert(
      fc.property(word64, fc.nat(), fc.nat(), (value, retired, later) => {
        const file = newCsrFile(0)
        const counter = csrByNumber(0xb02)
        counter?.write(file, value, { instret: BigInt(retired), time: 0n })
        const seen = counter?.read(file, { instret: BigInt(retired) + 1n + BigInt(later), time: 0n })
        expect(seen).toBe(BigInt.asUintN(64, value + BigInt(later)))
      }),
    )
  })

  it("an inhibited counter stands still, and goes on from where it stood", () => {
    const file = newCsrFile(0)
    const at = (instret: bigint) => ({ instret, time: 0n })
    csrByNumber(0x320)?.write(file, 5n, at(50n))
    expect(csrByNumber(0xb02)?.read(file, at(90n))).toBe(50n)
    csrByNumber(0x320)?.write(file, 0n, at(99n))
    expect(csrByNumber(0xb00)?.read(file, at(110n))).toBe(60n)
  })
})

describe("the table", () => {
  it("names every number once, in order", () => {
    const numbers = CSR_TABLE.map((row) => row.number)
    expect(numbers).toEqual([...new Set(numbers)].sort((left, right) => left - right))
    expect(new Set(CSR_TABLE.map((row) => row.name)).size).toBe(CSR_TABLE.length)
  })

  it("is what csrs.md says", () => {
    const written = readFileSync(new URL("../csrs.md", import.meta.url), "utf8")
    expect(written.slice(written.indexOf("| number"))).toBe(describeCsrs())
  })
})
