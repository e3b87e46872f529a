/**
 * The one table of CSRs: number, name, how it is read, what a write leaves, who may touch it. Documentation and tests come from it.
 *
 * Privileged manual, "CSR Listing". A number that is not here does not exist: any access is an illegal instruction. Privilege and
 * read-only status follow from the number itself (csr-access.ts); only further conditions are in `guard`.
 */
import { MACHINE_INTERRUPTS, SEIP, SSIP, STIP, SUPERVISOR_INTERRUPTS } from "./causes.ts"
import { CYCLE, INSTRET, readCounter, writeCounter, writeInhibit, type Counter } from "./counters.ts"
import { Slot, type CsrFile } from "./csr-file.ts"
import { pendingBits, STCE, supervisorTimerOwned } from "./interrupts.ts"
import type { Moment } from "./moment.ts"
import { PMP_ENTRIES, writePmpAddress, writePmpConfiguration } from "./pmp.ts"
import { MACHINE, USER, type Privilege } from "./privilege.ts"
import { legalStatus, mergeSupervisorStatus, supervisorView, TVM } from "./status.ts"
import { TLB_CAUSES } from "./tlb-translation.ts"
import { addressSpaceOf, writeSatp } from "./translation.ts"
import type { SoftwareTlb } from "./software-tlb.ts"

/** What else must be looked at again after a write. */
export type Affects = "nothing" | "interrupts" | "translation" | "both" | "tlb"

export interface CsrDefinition {
  readonly number: number
  readonly name: string
  /** One phrase for the generated document: which writes stick. */
  readonly rule: string
  readonly affects: Affects
  readonly read: (file: CsrFile, moment: Moment) => bigint
  /** What `csrrs` and `csrrc` modify, where that differs from what they return. */
  readonly readForModify?: (file: CsrFile, moment: Moment) => bigint
  readonly write: (file: CsrFile, value: bigint, moment: Moment) => void
  /** Further condition below M-mode; false is an illegal instruction. */
  readonly guard?: (file: CsrFile, privilege: Privilege) => boolean
}

const ALL = 0xffff_ffff_ffff_ffffn
const FIOM = 1n
const COUNTERS = 7n
const TIME_BIT = 2n
/** MXL = 64 bits; A, B, C, I, M, S, U. */
const MISA = (2n << 62n) | letters("ABCIMSU")
/** All architected exceptions but 10 and 14 (reserved) and 11: an environment call from M-mode can not be delegated. */
const MEDELEG = 0xb3ffn

function letters(names: string): bigint {
  return [...names].reduce((bits, letter) => bits | (1n << BigInt(letter.charCodeAt(0) - 65)), 0n)
}

type Entry = Omit<CsrDefinition, "number" | "name">

/** A register kept in a slot, of which the bits of `mask` can be written. */
function kept(slot: number, mask: bigint, affects: Affects = "nothing"): Entry {
  return {
    rule: mask === ALL ? "all bits" : `bits of ${hex(mask)}`,
    affects,
    read: (file) => file.get(slot),
    write: (file, value) => file.set(slot, (file.get(slot) & ~mask) | (value & mask)),
  }
}

/** Read-only by number, or WARL with one legal value: writes are accepted and ignored. */
function constant(value: bigint): Entry {
  return { rule: `always ${hex(value)}`, affects: "nothing", read: () => value, write: () => {} }
}

/** Trap vector: direct or vectored; a reserved mode leaves the register alone. */
function vector(slot: number): Entry {
  return {
    rule: "modes 0 and 1; others leave it alone",
    affects: "nothing",
    read: (file) => file.get(slot),
    write: (file, value) => {
      if ((value & 3n) < 2n) file.set(slot, value)
    },
  }
}

/** Unprivileged counter: each level above must have opened it. */
function counterGuard(bit: bigint): (file: CsrFile, privilege: Privilege) => boolean {
  return (file, privilege) => {
    if (privilege === MACHINE) return true
    if ((file.get(Slot.mcounteren) & bit) === 0n) return false
    return privilege !== USER || (file.get(Slot.scounteren) & bit) !== 0n
  }
}

function counter(which: Counter): Entry {
  return {
    rule: "all bits; the next instruction reads what was written",
    affects: "nothing",
    read: (file, moment) => readCounter(file, which, moment),
    write: (file, value, moment) => writeCounter(file, which, value, moment),
  }
}

function shadow(entry: Entry, bit: bigint): Entry {
  return { ...entry, rule: "read-only view", write: () => {}, guard: counterGuard(bit) }
}

const TIME: Entry = { rule: "mtime", affects: "nothing", read: (_file, moment) => moment.time, write: () => {} }

const MSTATUS: Entry = {
  rule: "SIE MIE SPIE MPIE SPP MPP MPRV SUM MXR TVM TW TSR; MPP = 2 leaves MPP alone",
  affects: "both",
  read: (file) => file.get(Slot.mstatus),
  write: (file, value) => file.set(Slot.mstatus, legalStatus(file.get(Slot.mstatus), value)),
}

const SSTATUS: Entry = {
  rule: "SIE SPIE SPP SUM MXR of mstatus",
  affects: "both",
  read: (file) => supervisorView(file.get(Slot.mstatus)),
  write: (file, value) => file.set(Slot.mstatus, mergeSupervisorStatus(file.get(Slot.mstatus), value)),
}

const MIP: Entry = {
  rule: "SSIP, SEIP, and STIP unless Sstc owns it",
  affects: "interrupts",
  read: pendingBits,
  // csrrs and csrrc work on the software bit of SEIP, not on its OR with the wire: else a wire would stick.
  readForModify: (file) => file.get(Slot.mipSoftware),
  write: (file, value) => {
    const writable = supervisorTimerOwned(file) ? SSIP | SEIP : SSIP | STIP | SEIP
    file.set(Slot.mipSoftware, (file.get(Slot.mipSoftware) & ~writable) | (value & writable))
  },
}

const SIP: Entry = {
  rule: "SSIP if delegated; shows delegated bits",
  affects: "interrupts",
  read: (file, moment) => pendingBits(file, moment) & file.get(Slot.mideleg),
  write: (file, value) => {
    const writable = SSIP & file.get(Slot.mideleg)
    file.set(Slot.mipSoftware, (file.get(Slot.mipSoftware) & ~writable) | (value & writable))
  },
}

const SIE_REGISTER: Entry = {
  rule: "delegated bits of mie",
  affects: "interrupts",
  read: (file) => file.get(Slot.mie) & file.get(Slot.mideleg),
  write: (file, value) => {
    const delegated = file.get(Slot.mideleg)
    file.set(Slot.mie, (file.get(Slot.mie) & ~delegated) | (value & delegated))
  },
}

const SATP: Entry = {
  rule: "modes 0 and 8, and 14 with a software TLB; others leave it alone",
  affects: "translation",
  read: (file) => file.get(Slot.satp),
  write: writeSatp,
  // With TVM set, S-mode may not see satp: that is how a hypervisor without the H extension catches it.
  guard: (file, privilege) => privilege === MACHINE || (file.get(Slot.mstatus) & TVM) === 0n,
}

const STIMECMP: Entry = {
  ...kept(Slot.stimecmp, ALL, "interrupts"),
  guard: (file, privilege) => privilege === MACHINE || (supervisorTimerOwned(file) && (file.get(Slot.mcounteren) & TIME_BIT) !== 0n),
}

const INHIBIT: Entry = {
  rule: "CY and IR",
  affects: "nothing",
  read: (file) => file.get(Slot.mcountinhibit),
  write: writeInhibit,
}

function pmpConfiguration(word: 0 | 1): Entry {
  return {
    rule: "locked bytes stay; W without R becomes neither",
    affects: "translation",
    read: (file) => file.get(word === 0 ? Slot.pmpcfg0 : Slot.pmpcfg2),
    write: (file, value) => writePmpConfiguration(file, word, value),
  }
}

function pmpAddress(entry: number): Entry {
  return {
    rule: "54 bits unless locked",
    affects: "translation",
    read: (file) => file.get(Slot.pmpaddr0 + entry),
    write: (file, value) => writePmpAddress(file, entry, value),
  }
}

/** All architected exceptions that can be delegated, and those of the software TLB where there is one. */
const DELEGATION: Entry = {
  rule: `bits of ${hex(MEDELEG)}, with a software TLB also ${hex(TLB_CAUSES)}`,
  affects: "nothing",
  read: (file) => file.get(Slot.medeleg),
  write: (file, value) => file.set(Slot.medeleg, value & (file.tlb === null ? MEDELEG : MEDELEG | TLB_CAUSES)),
}

/** A register of the software TLB: illegal on a hart that has none, and in S-mode while TVM is set. */
function ofTlb(
  rule: string,
  read: (tlb: SoftwareTlb, file: CsrFile) => bigint,
  write: (tlb: SoftwareTlb, value: bigint, file: CsrFile) => void = () => {},
): Entry {
  return {
    rule: `software TLB: ${rule}`,
    affects: "tlb",
    read: (file) => (file.tlb === null ? 0n : read(file.tlb, file)),
    write: (file, value) => {
      if (file.tlb !== null) write(file.tlb, value, file)
    },
    guard: (file, privilege) => file.tlb !== null && (privilege === MACHINE || (file.get(Slot.mstatus) & TVM) === 0n),
  }
}

const NONE = (): bigint => 0n
const SOFTWARE_TLB: readonly CsrDefinition[] = [
  define(0x5c0, "stlbtag", ofTlb("size, page, ASID", (tlb) => tlb.tag, (tlb, value) => tlb.setTag(value))),
  define(0x5c1, "stlbindex", ofTlb("bits 5…0 and 63", (tlb) => tlb.index(), (tlb, value) => tlb.setIndex(value))),
  define(0x5c2, "stlbrandom", ofTlb("nothing", (tlb) => BigInt(tlb.randomIndex()))),
  define(0x5c3, "stlbwired", ofTlb("bits 5…0", (tlb) => BigInt(tlb.wired), (tlb, value) => tlb.setWired(value))),
  define(0x5c4, "stlbwr", ofTlb("an entry at random", NONE, (tlb, value) => tlb.writeRandom(value))),
  define(0x5c5, "stlbwi", ofTlb("the entry at stlbindex", (tlb) => tlb.readEntry(), (tlb, value) => tlb.writeIndexed(value))),
  define(0x5c6, "stlbprobe", ofTlb("what it finds, in stlbindex", NONE, (tlb, value, file) => tlb.probe(value, addressSpaceOf(file)))),
  define(0x5c7, "stlbread", ofTlb("nothing", (tlb) => tlb.readTag())),
  define(0x5c8, "stlbvec", ofTlb("multiples of 4", (tlb) => tlb.vector, (tlb, value) => (tlb.vector = value & ~3n))),
  define(0x5c9, "stlbframe", ofTlb("multiples of 16", (tlb) => tlb.frame, (tlb, value) => (tlb.frame = value & ~15n))),
] // prettier-ignore

function define(number: number, name: string, entry: Entry): CsrDefinition {
  return { number, name, ...entry }
}

/** `count` registers in a row whose names end in a running number. */
function series(
  first: number,
  name: string,
  numbers: { readonly from: number; readonly to: number },
  entry: (n: number) => Entry,
): CsrDefinition[] {
  const rows: CsrDefinition[] = []
  for (let n = numbers.from; n <= numbers.to; n += 1) rows.push(define(first + n, `${name}${n}`, entry(n)))
  return rows
}

const EVENTS = { from: 3, to: 31 }

export const CSR_TABLE: readonly CsrDefinition[] = [
  define(0x100, "sstatus", SSTATUS),
  define(0x104, "sie", SIE_REGISTER),
  define(0x105, "stvec", vector(Slot.stvec)),
  define(0x106, "scounteren", kept(Slot.scounteren, COUNTERS)),
  define(0x10a, "senvcfg", kept(Slot.senvcfg, FIOM)),
  define(0x140, "sscratch", kept(Slot.sscratch, ALL)),
  define(0x141, "sepc", kept(Slot.sepc, ALL & ~1n)),
  define(0x142, "scause", kept(Slot.scause, ALL)),
  define(0x143, "stval", kept(Slot.stval, ALL)),
  define(0x144, "sip", SIP),
  define(0x14d, "stimecmp", STIMECMP),
  define(0x180, "satp", SATP),
  define(0x300, "mstatus", MSTATUS),
  define(0x301, "misa", constant(MISA)),
  define(0x302, "medeleg", DELEGATION),
  define(0x303, "mideleg", kept(Slot.mideleg, SUPERVISOR_INTERRUPTS, "interrupts")),
  define(0x304, "mie", kept(Slot.mie, SUPERVISOR_INTERRUPTS | MACHINE_INTERRUPTS, "interrupts")),
  define(0x305, "mtvec", vector(Slot.mtvec)),
  define(0x306, "mcounteren", kept(Slot.mcounteren, COUNTERS)),
  define(0x30a, "menvcfg", kept(Slot.menvcfg, STCE | FIOM, "interrupts")),
  define(0x320, "mcountinhibit", INHIBIT),
  ...series(0x320, "mhpmevent", EVENTS, () => constant(0n)),
  define(0x340, "mscratch", kept(Slot.mscratch, ALL)),
  define(0x341, "mepc", kept(Slot.mepc, ALL & ~1n)),
  define(0x342, "mcause", kept(Slot.mcause, ALL)),
  define(0x343, "mtval", kept(Slot.mtval, ALL)),
  define(0x344, "mip", MIP),
  define(0x3a0, "pmpcfg0", pmpConfiguration(0)),
  define(0x3a2, "pmpcfg2", pmpConfiguration(1)),
  ...series(0x3b0, "pmpaddr", { from: 0, to: PMP_ENTRIES - 1 }, pmpAddress),
  ...SOFTWARE_TLB,
  // Debug triggers: none. tselect exists, hard-wired to zero, and the trigger it selects has type 0, "no trigger".
  define(0x7a0, "tselect", constant(0n)),
  ...series(0x7a0, "tdata", { from: 1, to: 3 }, () => constant(0n)),
  define(0xb00, "mcycle", counter(CYCLE)),
  define(0xb02, "minstret", counter(INSTRET)),
  ...series(0xb00, "mhpmcounter", EVENTS, () => constant(0n)),
  define(0xc00, "cycle", shadow(counter(CYCLE), 1n)),
  define(0xc01, "time", shadow(TIME, TIME_BIT)),
  define(0xc02, "instret", shadow(counter(INSTRET), 4n)),
  ...series(0xc00, "hpmcounter", EVENTS, (n) => shadow(constant(0n), 1n << BigInt(n))),
  define(0xf11, "mvendorid", constant(0n)),
  define(0xf12, "marchid", constant(0n)),
  define(0xf13, "mimpid", constant(0n)),
  define(0xf14, "mhartid", { ...kept(Slot.mhartid, 0n), rule: "read-only" }),
  define(0xf15, "mconfigptr", constant(0n)),
]

const CSR_NUMBERS = 4096
const BY_NUMBER: readonly (CsrDefinition | undefined)[] = CSR_TABLE.reduce((table, row) => {
  table[row.number] = row
  return table
}, new Array<CsrDefinition | undefined>(CSR_NUMBERS).fill(undefined))

export function csrByNumber(number: number): CsrDefinition | undefined {
  return BY_NUMBER[number]
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`
}

/** The table as rows of a document: `csrs.md` is this text, and a test compares the two. */
export function describeCsrs(): string {
  const rows = CSR_TABLE.map((row) => `| ${hex(BigInt(row.number))} | ${row.name} | ${row.rule} |`)
  return ["| number | name | what a write leaves |", "| --- | --- | --- |", ...rows, ""].join("\n")
}
