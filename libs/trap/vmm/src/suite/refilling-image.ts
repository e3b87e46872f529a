/**
 * A hostile guest under satp mode 14 that stays there: its code lies in wired entries, every other page that it touches is a refill, which its handler answers
 * with a frame of its own; half of what was loaded first is not dirty, so that its first store traps again. What misuses the TLB itself comes rarely: each may be its end.
 */
import type { Random } from "@backplane/foundation-base/random"
import type { BootImage } from "@backplane/trap-board/board-types"
import { immediate } from "./instruction-words.ts"

const RAM = 0x8000_0000n
const PAGE_BYTES = 4096
const HANDLER_AT = 256
const CODE_AT = 512
const CODE_WORDS = 4096
const CODE_PAGES = Math.ceil((CODE_AT + CODE_WORDS * 4) / PAGE_BYTES)
const PTES_AT = 496
const CSR = {
  sstatus: 0x100,
  stvec: 0x105,
  sepc: 0x141,
  scause: 0x142,
  stval: 0x143,
  satp: 0x180,
  tag: 0x5c0,
  next: 0x5c2,
  index: 0x5c1,
  wired: 0x5c3,
  random: 0x5c4,
  indexed: 0x5c5,
}
const HARMLESS = [0x100, 0x106, 0x140, 0x142, 0x143, 0x144, 0xc00, 0xc01, 0x5c1, 0x5c2, 0x5c6, 0x5c7, 0x123]
const HARMFUL = [0x104, 0x105, 0x141, 0x180, 0x5c0, 0x5c3, 0x5c4, 0x5c5, 0x5c8, 0x5c9]
const HARM = 1 / 300

const addi = (rd: number, rs1: number, imm: number): number => immediate(0x13, { rd, f3: 0, rs1, imm })
const lui = (rd: number, page: number): number => ((page << 12) | (rd << 7) | 0x37) >>> 0
const csrw = (csr: number, rs1: number): number => immediate(0x73, { rd: 0, f3: 1, rs1, imm: csr })
const csrr = (rd: number, csr: number): number => immediate(0x73, { rd, f3: 2, rs1: 0, imm: csr })
const SRET = 0x1020_0073
const ECALL = 0x73
/** Their function fields; not LR and SC: who shares a CPU loses its reservations, which its own machine does not. */
const ATOMICS = [0, 1, 4, 8, 12, 16, 20, 24, 28]

export function refillingImage(random: Random): BootImage {
  const data = new Uint8Array(CODE_AT + CODE_WORDS * 4)
  const view = new DataView(data.buffer)
  const put = (at: number, words: readonly number[]): void =>
    words.forEach((word, index) => view.setUint32(at + index * 4, word >>> 0, true))
  put(0, prologue())
  put(HANDLER_AT, handler())
  view.setBigUint64(PTES_AT, ((RAM >> 12n) << 10n) | 0xcfn, true)
  view.setBigUint64(PTES_AT + 8, 14n << 60n, true)
  put(CODE_AT, [...Array.from({ length: CODE_WORDS - 1 }, () => instruction(random)), jumpBack((CODE_WORDS - 1) * 4)])
  return { entry: RAM, start: "supervisor", symbols: new Map(), segments: [{ address: RAM, data, memoryBytes: BigInt(data.length) }] }
}

/** Wires the pages of the code, each to itself, and turns mode 14 on. x5: where this begins; x7: the PTE; x8: the tag. */
function prologue(): readonly number[] {
  const wire = Array.from({ length: CODE_PAGES }, (_, page) => [
    addi(9, 0, page),
    csrw(CSR.index, 9),
    csrw(CSR.tag, 8),
    csrw(CSR.indexed, 7),
    addi(7, 7, 1 << 10),
    lui(9, 1),
    (9 << 20) | (8 << 15) | (8 << 7) | 0x33, // add x8, x8, x9
  ]).flat()
  return [
    0x297, // auipc x5, 0
    addi(6, 5, HANDLER_AT),
    csrw(CSR.stvec, 6),
    immediate(0x03, { rd: 7, f3: 3, rs1: 5, imm: PTES_AT }),
    addi(8, 5, 0),
    ...wire,
    addi(9, 0, CODE_PAGES),
    csrw(CSR.wired, 9),
    immediate(0x03, { rd: 9, f3: 3, rs1: 5, imm: PTES_AT + 8 }),
    csrw(CSR.satp, 9),
    addi(5, 5, CODE_AT),
    immediate(0x67, { rd: 0, f3: 0, rs1: 5, imm: 0 }),
  ]
}

/**
 * A refill gets a frame by its page number, dirty for a store or if the number is odd; what else trapped is skipped, and outside the code it goes on somewhere inside. It goes on
 * in S-mode, whatever it came from.
 */
function handler(): readonly number[] {
  const refill = [
    csrr(31, CSR.stval),
    immediate(0x13, { rd: 31, f3: 5, rs1: 31, imm: 12 }), // srli
    immediate(0x13, { rd: 31, f3: 7, rs1: 31, imm: 0xff }), // andi
    immediate(0x13, { rd: 31, f3: 6, rs1: 31, imm: 0x10 }), // ori: not where the code lies
    lui(30, Number(RAM >> 24n)),
    (30 << 20) | (31 << 15) | (31 << 7) | 0x33, // add: the page number
    immediate(0x13, { rd: 29, f3: 5, rs1: 29, imm: 1 }), // 1 for a store, new or to a page that was not dirty
    (29 << 20) | (31 << 15) | (6 << 12) | (30 << 7) | 0x33,
    immediate(0x13, { rd: 30, f3: 7, rs1: 30, imm: 1 }),
    immediate(0x13, { rd: 30, f3: 1, rs1: 30, imm: 7 }), // slli: D
    immediate(0x13, { rd: 31, f3: 1, rs1: 31, imm: 10 }),
    (30 << 20) | (31 << 15) | (6 << 12) | (31 << 7) | 0x33, // or
    immediate(0x13, { rd: 31, f3: 6, rs1: 31, imm: 0x4f }), // ori: V R W X A
    csrw(CSR.random, 31),
    SRET,
  ]
  const again = [
    csrr(31, CSR.next),
    immediate(0x13, { rd: 31, f3: 1, rs1: 31, imm: 8 }), // slli
    lui(28, Number(RAM >> 12n)),
    immediate(0x13, { rd: 28, f3: 1, rs1: 28, imm: 32 }), // lui extends the sign
    immediate(0x13, { rd: 28, f3: 5, rs1: 28, imm: 32 }),
    (28 << 20) | (31 << 15) | (31 << 7) | 0x33,
    addi(31, 31, CODE_AT),
  ]
  const skip = [
    csrr(31, CSR.sepc),
    addi(31, 31, 4),
    immediate(0x13, { rd: 31, f3: 7, rs1: 31, imm: -4 }), // andi: in step with the code again
    immediate(0x13, { rd: 30, f3: 5, rs1: 31, imm: 14 }),
    lui(28, Number(RAM >> 26n)),
    immediate(0x33, { rd: 30, f3: 4, rs1: 30, imm: 28 }), // xor
    branchIfZero(30, (again.length + 1) * 4),
    ...again,
    csrw(CSR.sepc, 31),
    SRET,
  ]
  return [
    addi(30, 0, 0x100),
    immediate(0x73, { rd: 0, f3: 2, rs1: 30, imm: CSR.sstatus }), // SPP
    csrr(31, CSR.scause),
    addi(29, 31, -24),
    immediate(0x13, { rd: 31, f3: 3, rs1: 29, imm: 4 }), // sltiu: of the TLB?
    branchIfZero(31, (refill.length + 1) * 4),
    ...refill,
    ...skip,
  ]
}

function branchIfZero(rs1: number, offset: number): number {
  return ((((offset >> 5) & 63) << 25) | (rs1 << 15) | (((offset >> 1) & 15) << 8) | 0x63) >>> 0
}

/** jal x0: over and over, with other values each time. */
function jumpBack(bytes: number): number {
  const offset = -bytes
  return (
    ((((offset >> 20) & 1) << 31) |
      (((offset >> 1) & 1023) << 21) |
      (((offset >> 11) & 1) << 20) |
      (((offset >> 12) & 255) << 12) |
      0x6f) >>>
    0
  )
}

function instruction(random: Random): number {
  const [rd, rs1, rs2, f3] = [random.below(30), random.below(32), random.below(32), random.below(8)]
  const imm = random.below(2048) & ~7
  const kind = random.below(100)
  if (kind < 24) return lui(rd, random.below(1 << 20))
  if (kind < 48) return immediate(0x03, { rd, f3: f3 % 7, rs1, imm })
  if (kind < 68) return ((imm >> 5) << 25) | (rs2 << 20) | (rs1 << 15) | ((f3 % 4) << 12) | ((imm & 31) << 7) | 0x23
  if (kind < 74) return (random.pick(ATOMICS) << 27) | (rs2 << 20) | (rs1 << 15) | ((2 + (f3 & 1)) << 12) | (rd << 7) | 0x2f
  if (kind < 77) {
    const csr = random.chance(HARM) ? random.pick(HARMFUL) : random.pick(HARMLESS)
    return immediate(0x73, { rd, f3: random.pick([1, 2, 3, 5, 6, 7]), rs1, imm: csr })
  }
  if (kind < 78) return random.chance(0.5) ? (9 << 25) | (rs2 << 20) | (rs1 << 15) | 0x73 : random.pick([0x10_0073, 0x3020_0073])
  if (kind < 86) return addi(rd, rs1, imm)
  if (kind < 91) return (rs2 << 20) | (rs1 << 15) | (f3 << 12) | (rd << 7) | 0x33
  if (kind < 99) return (rs2 << 20) | (rs1 << 15) | (random.pick([0, 1, 4, 5, 6, 7]) << 12) | (8 << 7) | 0x63
  // Loops come from jumps through registers and from returns: most never end. A call of the firmware may end the machine.
  if (random.chance(60 * HARM)) return random.pick([immediate(0x67, { rd, f3: 0, rs1, imm }), SRET, ECALL])
  // Anything of the opcodes that do not jump, legal or not.
  return ((random.below(2 ** 25) << 7) | random.pick([0x0b, 0x0f, 0x1b, 0x3b, 0x33, 0x13])) >>> 0
}
