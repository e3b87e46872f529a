/** The software TLB against a list that is searched from end to end; and what an access makes of an entry. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { newCsrFile, Slot, SLOTS, slotsOf } from "./csr-file.ts"
import { csrByNumber } from "./csr-table.ts"
import { executeSystem } from "./execute-system.ts"
import { saveInFrame } from "./refill-frame.ts"
import { SoftwareTlb, TLB_ENTRIES } from "./software-tlb.ts"
import { translateByTlb } from "./tlb-translation.ts"
import { enterTrap } from "./trap.ts"
import { START } from "./suite/laws.ts"
import type { TranslationView } from "./translation.ts"

/** Few pages and address spaces, so that entries meet. Page 511 and 512 lie in different 2 MiB. */
const page = fc.constantFrom(0, 1, 511, 512, 513, 262_143, 262_144)
const size = fc.constantFrom(0, 0, 0, 1, 2)
const asid = fc.constantFrom(0, 1, 7)
const tagOf = (at: { readonly page: number; readonly size: number; readonly asid: number }): bigint =>
  (BigInt(at.page) << 12n) | BigInt(at.size) | (BigInt(at.asid) << 44n)
const entry = fc.record({ page, size, asid, global: fc.boolean(), frame: fc.nat(1000) })
const step = fc.oneof(
  { arbitrary: fc.record({ kind: fc.constant("random" as const), entry }), weight: 6 },
  { arbitrary: fc.record({ kind: fc.constant("indexed" as const), entry, index: fc.nat(TLB_ENTRIES - 1) }), weight: 3 },
  { arbitrary: fc.record({ kind: fc.constant("wired" as const), value: fc.constantFrom(0, 2, 60, 63) }), weight: 1 },
  {
    arbitrary: fc.record({
      kind: fc.constant("fence" as const),
      page: fc.option(page, { freq: 2 }),
      asid: fc.option(asid, { freq: 2 }),
    }),
    weight: 1,
  },
)
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never
interface Held {
  readonly page: number
  readonly size: number
  readonly asid: number
  readonly global: boolean
  readonly frame: number
}

const span = (at: number): number => 512 ** at
const covers = (held: Held, at: number): boolean => Math.floor(held.page / span(held.size)) === Math.floor(at / span(held.size))
const overlap = (left: Held, right: Held): boolean => {
  const larger = span(Math.max(left.size, right.size))
  const sameSpace = left.global || right.global || left.asid === right.asid
  return sameSpace && Math.floor(left.page / larger) === Math.floor(right.page / larger)
}

/** A list with holes. Random replacement is asked of the model: which place it names is its own affair, that it is not a wired one is not. */
class Reference {
  readonly held: (Held | null)[] = new Array<Held | null>(TLB_ENTRIES).fill(null)
  wired = 0

  put(at: number, held: Held): void {
    this.held.forEach((other, index) => {
      if (other !== null && overlap(other, held)) this.held[index] = null
    })
    this.held[at] = held
  }

  fence({ page: at, asid: space }: Extract<Step, { kind: "fence" }>): void {
    for (let index = this.wired; index < TLB_ENTRIES; index += 1) {
      const held = this.held[index] ?? null
      if (held === null || (at !== null && !covers(held, at))) continue
      if (space !== null && (held.global || held.asid !== space)) continue
      this.held[index] = null
    }
  }

  find(at: number, space: number): Held | null {
    return this.held.find((held) => held !== null && covers(held, at) && (held.global || held.asid === space)) ?? null
  }
}

function apply(tlb: SoftwareTlb, reference: Reference, step: Step): void {
  switch (step.kind) {
    case "wired":
      tlb.setWired(BigInt(step.value))
      reference.wired = step.value
      return
    case "fence":
      tlb.fence({
        address: step.page === null ? null : BigInt.asUintN(64, BigInt.asIntN(39, BigInt(step.page) << 12n)),
        addressSpace: step.asid === null ? null : BigInt(step.asid),
      })
      return reference.fence(step)
    default: {
      tlb.setTag(tagOf(step.entry))
      const at = step.kind === "random" ? tlb.randomIndex() : step.index
      if (step.kind === "random") expect(at).toBeGreaterThanOrEqual(reference.wired)
      const pte = (BigInt(step.entry.frame) << 10n) | (step.entry.global ? 0x2fn : 0xfn)
      if (step.kind === "random") tlb.writeRandom(pte)
      else {
        tlb.setIndex(BigInt(at))
        tlb.writeIndexed(pte)
      }
      reference.put(at, step.entry)
    }
  }
}

function different(steps: readonly Step[], plant: (tlb: SoftwareTlb) => void = () => undefined): string | null {
  const tlb = new SoftwareTlb()
  plant(tlb)
  const reference = new Reference()
  for (const [number, one] of steps.entries()) {
    apply(tlb, reference, one)
    for (const at of [0, 1, 511, 512, 513, 262_143, 262_144, 5000]) {
      for (const space of [0, 1, 7]) {
        const index = tlb.look(BigInt(at) << 12n, space)
        const found = index < 0 ? null : Number(tlb.entryAt(index) >> 10n)
        const wanted = reference.find(at, space)
        const frame = wanted === null ? null : wanted.frame - (wanted.frame % span(wanted.size))
        if (found !== frame) return `step ${number}: page ${at} of ${space} gives ${found}, not ${frame}`
      }
    }
  }
  return null
}

const programs = fc.array(step, { maxLength: 40 })

describe("the software TLB", () => {
  it("finds what a list finds, after writes, overlaps and fences", () => {
    fc.assert(
      fc.property(programs, (steps) => void expect(different(steps)).toBeNull()),
      { numRuns: 300, seed: 1 },
    )
  })

  const caught = (plant: (tlb: SoftwareTlb) => void): boolean =>
    fc.check(
      fc.property(programs, (steps) => different(steps, plant) === null),
      { numRuns: 300, seed: 1, endOnFailure: true },
    ).failed

  it("is found wrong when a fence does nothing, and when ASIDs are not looked at", () => {
    expect(caught((tlb) => (tlb.fence = () => undefined))).toBe(true)
    expect(
      caught((tlb) => {
        const look = tlb.look.bind(tlb)
        tlb.look = (address, space) => [space, 0, 1, 7].map((other) => look(address, other)).find((index) => index >= 0) ?? -1
      }),
    ).toBe(true)
  })

  it("is found wrong when wired entries are replaced", () => {
    const wiredSurvive = (plant: (tlb: SoftwareTlb) => void): boolean => {
      const tlb = new SoftwareTlb()
      plant(tlb)
      tlb.setTag(tagOf({ page: 0, size: 0, asid: 0 }))
      tlb.writeIndexed(0xfn)
      tlb.setWired(1n)
      for (let at = 1; at < 1000; at += 1) {
        tlb.setTag(tagOf({ page: at, size: 0, asid: 0 }))
        tlb.writeRandom(0xfn)
      }
      return tlb.look(0n, 0) === 0
    }
    expect(wiredSurvive(() => undefined)).toBe(true)
    expect(wiredSurvive((tlb) => (tlb.setWired = () => undefined))).toBe(false)
  })

  it("is whole in its slots: another file that gets them is the same", () => {
    fc.assert(
      fc.property(programs, (steps) => {
        const first = new SoftwareTlb()
        const reference = new Reference()
        for (const one of steps) apply(first, reference, one)
        const [from, to] = [newCsrFile(0, first), newCsrFile(0, new SoftwareTlb())]
        for (let slot = 0; slot < slotsOf(from); slot += 1) to.set(slot, from.get(slot))
        const all = (file: typeof from): bigint[] => Array.from({ length: slotsOf(file) }, (_, slot) => file.get(slot))
        expect(all(to)).toEqual(all(from))
        for (const at of [0, 511, 512, 262_144]) expect(to.tlb?.look(BigInt(at) << 12n, 1)).toBe(first.look(BigInt(at) << 12n, 1))
        expect(to.tlb?.randomIndex()).toBe(first.randomIndex())
      }),
      { numRuns: 50, seed: 1 },
    )
  })
})

const VIEW: TranslationView = { mode: "refill", root: 1n, fetchPrivilege: 0, dataPrivilege: 0, sum: false, mxr: false }
const AT = 0x4000_1000n

function causeOf(bits: bigint, access: "fetch" | "load" | "store", view: Partial<TranslationView> = {}): number | "mapped" {
  const tlb = new SoftwareTlb()
  tlb.setTag(AT | (1n << 44n))
  tlb.writeRandom((0x8_0123n << 10n) | bits)
  const found = translateByTlb(tlb, { ...VIEW, ...view }, { address: AT + 8n, access })
  return found.kind === "fault" ? found.cause : "mapped"
}

describe("an access under satp mode 14", () => {
  const [V, R, W, X, U, D] = [1n, 2n, 4n, 8n, 16n, 128n]

  it("without an entry is a refill, by its kind; of another ASID too; an address that is not canonical is a page fault", () => {
    const other = (["fetch", "load", "store"] as const).map((access) => causeOf(V | R | W | X | U | D, access, { root: 2n }))
    expect(other).toEqual([24, 25, 26])
    const nowhere = translateByTlb(new SoftwareTlb(), VIEW, { address: 1n << 40n, access: "load" })
    expect(nowhere).toEqual({ kind: "fault", cause: 13 })
  })

  it("is judged like Sv39; only D is the kernel's", () => {
    expect([causeOf(V | R | U, "load"), causeOf(V | R | U, "store"), causeOf(V | R | U, "fetch")]).toEqual(["mapped", 15, 12])
    expect([causeOf(V | R | W | U, "store"), causeOf(V | R | W | U | D, "store")]).toEqual([27, "mapped"])
    expect([causeOf(R | U, "load"), causeOf(V | W | U | D, "store"), causeOf(V | R, "load")]).toEqual([13, 15, 13])
    const supervisor = { fetchPrivilege: 1, dataPrivilege: 1 } as const
    expect([causeOf(V | R | U, "load", supervisor), causeOf(V | R | U, "load", { ...supervisor, sum: true })]).toEqual([13, "mapped"])
    expect([causeOf(V | X, "load", supervisor), causeOf(V | X, "load", { ...supervisor, mxr: true })]).toEqual([13, "mapped"])
    expect(causeOf(V | X | U, "fetch", { ...supervisor, sum: true })).toBe(12)
  })
})

describe("a refill", () => {
  const CSRRW = (csr: number): number => (csr << 20) | (6 << 15) | (1 << 12) | 0x73
  const ready = () => {
    const file = newCsrFile(0, new SoftwareTlb())
    file.set(Slot.privilege, 1n)
    file.set(Slot.stvec, 0x8000_0100n)
    csrByNumber(0x302)!.write(file, 0xf00_b1ffn, START)
    csrByNumber(0x180)!.write(file, (14n << 60n) | (5n << 44n), START)
    return file
  }
  const put = (file: ReturnType<typeof ready>, csr: number, value: bigint) =>
    executeSystem(file, { word: CSRRW(csr), pc: 0n, rs1: value, rs2: 0n }, START)

  it("loads stlbtag and goes to stlbvec; without one to stvec; page faults always to stvec", () => {
    const file = ready()
    const trap = { cause: 25, interrupt: false, value: AT + 8n, pc: 0x4000_0000n }
    expect(enterTrap(file, trap)).toBe(0x8000_0100n)
    expect(put(file, 0x5c8, 0x8000_0203n)).toMatchObject({ kind: "next", affects: "tlb" })
    expect([enterTrap(file, trap), enterTrap(file, { ...trap, cause: 13 })]).toEqual([0x8000_0200n, 0x8000_0100n])
    expect([file.tlb!.tag, file.get(Slot.scause), file.get(Slot.stval)]).toEqual([AT | (5n << 44n), 13n, AT + 8n])
  })

  it("saves two registers in the frame, if it is memory that S-mode may write", () => {
    const file = ready()
    put(file, 0x5c9, 0x8000_1000n)
    const trap = { cause: 26, interrupt: false, value: 0x99n, pc: 0n }
    enterTrap(file, trap)
    const writes: string[] = []
    const port = {
      isMemory: (address: bigint) => address < 0x8000_2000n,
      writeMemory: (address: bigint, data: Uint8Array) => void writes.push(`${address.toString(16)}: ${data.join(" ")}`),
      register: (index: number) => BigInt(index),
    }
    const open = [{ entry: 0, from: 0n, to: 1n << 56n, read: true, write: true, execute: true, locked: false }]
    expect(saveInFrame(file, { trap, protection: open, port })).toEqual({ t5: 0x99n, t6: 0x8000_1000n })
    expect(writes).toEqual(["80001000: 30 0 0 0 0 0 0 0 31 0 0 0 0 0 0 0"])
    expect(saveInFrame(file, { trap, protection: [], port })).toBeNull()
    expect(saveInFrame(file, { trap: { ...trap, cause: 15 }, protection: open, port })).toBeNull()
    put(file, 0x5c9, 0x8000_2000n)
    expect(saveInFrame(file, { trap, protection: open, port })).toBeNull()
    expect(writes).toHaveLength(1)
  })

  it("is nothing on a hart without a software TLB: CSRs, mode and delegation", () => {
    const file = newCsrFile(0)
    expect(put(file, 0x5c0, 1n)).toMatchObject({ kind: "exception", cause: 2 })
    csrByNumber(0x180)!.write(file, 14n << 60n, START)
    csrByNumber(0x302)!.write(file, 0xf00_0000n, START)
    expect([file.get(Slot.satp), file.get(Slot.medeleg), slotsOf(file)]).toEqual([0n, 0n, SLOTS])
  })
})
