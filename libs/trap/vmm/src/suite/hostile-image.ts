/**
 * A guest that means harm, drawn from a seed: random code that loads, stores, swaps and jumps through pointers to devices, to its own
 * tables and out of its memory; page tables that point everywhere; CSRs written at random; traps skipped so that it goes on for long.
 * Two kinds know of the software TLB: one misuses its registers and soon loses it; the other keeps it, and lives on refills.
 */
import { Random } from "@backplane/foundation-base/random"
import { immediate } from "./instruction-words.ts"
import { refillingImage } from "./refilling-image.ts"
import type { BootImage } from "@backplane/trap-board/board-types"

const RAM = 0x8000_0000n
export const HOSTILE_MEMORY_BYTES = 1 << 20
const VALUES_AT = 256
const HANDLER_AT = 576
const CODE_AT = 640
const CODE_WORDS = 4096
const TABLES_AT = 0x1_0000n
const TABLES = 8
const SV39 = 8n << 60n
const SOFTWARE_TLB = 14n << 60n

/** satp, the supervisor's and some of the machine's, one that does not exist. */
const CSRS = [
  0x100, 0x104, 0x105, 0x106, 0x140, 0x141, 0x142, 0x143, 0x144, 0x14d, 0x180, 0xc00, 0xc01, 0x300, 0x304, 0x340, 0x341, 0x3a0, 0x3b0,
  0x306, 0x123,
]
/** All registers of the software TLB, those that write entries most. */
const TLB_CSRS = [0x5c0, 0x5c1, 0x5c2, 0x5c3, 0x5c4, 0x5c4, 0x5c4, 0x5c5, 0x5c5, 0x5c6, 0x5c7, 0x5c8, 0x5c9, 0x180, 0x180]
const DEVICES = [
  0x10_0000n,
  0x200_0000n,
  0x200_4000n,
  0x200_bff8n,
  0xc00_0000n,
  0xc00_2080n,
  0xc20_1004n,
  0x1000_0000n,
  0x1000_1000n,
  0x1000_1050n,
  0x1000_8000n,
]

/** `tlb`: one that knows of the software TLB, and means to misuse it, or one that fills it by refills all the time. */
export function hostileImage(seed: number, start: BootImage["start"], tlb: "none" | "software" | "refills" = "none"): BootImage {
  const random = new Random(seed)
  if (tlb === "refills") return refillingImage(random)
  const known = tlb === "software" ? [...CSRS, ...TLB_CSRS] : CSRS
  const data = new Uint8Array(CODE_AT + CODE_WORDS * 4)
  const view = new DataView(data.buffer)
  const put = (at: number, words: readonly number[]): void =>
    words.forEach((word, index) => view.setUint32(at + index * 4, word >>> 0, true))
  put(0, prologue(start))
  for (let register = 0; register < 32; register += 1) view.setBigUint64(VALUES_AT + register * 8, pointer(random, tlb), true)
  // x0's place: the first satp.
  view.setBigUint64(VALUES_AT, SV39 | ((RAM + TABLES_AT) >> 12n), true)
  put(HANDLER_AT, handler(start))
  put(
    CODE_AT,
    Array.from({ length: CODE_WORDS }, () => instruction(random, known)),
  )
  const tables = new Uint8Array(TABLES * 4096)
  const tableView = new DataView(tables.buffer)
  for (let at = 0; at < tables.length; at += 8) tableView.setBigUint64(at, tableEntry(random), true)
  // Under most roots the code is still there: a gigapage that is the identity. The first, in use from the start, is one of them.
  for (let table = 0; table < TABLES; table += 1) {
    if (table === 0 || random.chance(0.6)) tableView.setBigUint64(table * 4096 + 2 * 8, ((RAM >> 12n) << 10n) | 0xcfn, true)
  }
  return {
    entry: RAM,
    start,
    symbols: new Map(),
    segments: [
      { address: RAM, data, memoryBytes: BigInt(data.length) },
      { address: RAM + TABLES_AT, data: tables, memoryBytes: BigInt(tables.length) },
    ],
  }
}

/** x5 = here; the trap vector; every other register from the table of pointers. */
function prologue(start: BootImage["start"]): readonly number[] {
  const vector = start === "machine" ? 0x305 : 0x105
  const loads = Array.from({ length: 31 }, (_, index) => (index + 6) % 32)
    .filter((register) => register !== 0 && register !== 5)
    .map((rd) => immediate(0x03, { rd, f3: 3, rs1: 5, imm: VALUES_AT + rd * 8 }))
  const paging = [immediate(0x03, { rd: 7, f3: 3, rs1: 5, imm: VALUES_AT }), immediate(0x73, { rd: 0, f3: 1, rs1: 7, imm: 0x180 })]
  const open = start === "machine" ? [immediate(0x73, { rd: 0, f3: 5, rs1: 31, imm: 0x3a0 })] : []
  return [
    0x297, // auipc x5, 0
    immediate(0x13, { rd: 6, f3: 0, rs1: 5, imm: HANDLER_AT }),
    immediate(0x73, { rd: 0, f3: 1, rs1: 6, imm: vector }),
    ...open,
    ...paging,
    ...loads,
    immediate(0x13, { rd: 5, f3: 0, rs1: 5, imm: CODE_AT }),
    immediate(0x67, { rd: 0, f3: 0, rs1: 5, imm: 0 }),
  ]
}

/** Skips what trapped. */
function handler(start: BootImage["start"]): readonly number[] {
  const [epc, back] = start === "machine" ? [0x341, 0x3020_0073] : [0x141, 0x1020_0073]
  return [
    immediate(0x73, { rd: 31, f3: 2, rs1: 0, imm: epc }),
    immediate(0x13, { rd: 31, f3: 0, rs1: 31, imm: 4 }),
    immediate(0x73, { rd: 0, f3: 1, rs1: 31, imm: epc }),
    back,
  ]
}

function pointer(random: Random, tlb: "none" | "software"): bigint {
  // PTEs, tags of every size, address spaces, and the window in which the code itself lies.
  if (tlb === "software" && random.chance(0.4)) return tlbValue(random)
  const small = BigInt(random.below(4096))
  const end = RAM + BigInt(HOSTILE_MEMORY_BYTES)
  const table = RAM + TABLES_AT + BigInt(random.below(TABLES)) * 4096n
  const choices = [
    RAM + BigInt(random.below(HOSTILE_MEMORY_BYTES)),
    RAM + 0x2_0000n + small,
    table + (small & 0xff8n),
    random.pick(DEVICES) + (small & 0xffn),
    end + small,
    end - 4n,
    end + BigInt(random.below(8 << 20)),
    SV39 | (table >> 12n),
    small,
    2n ** 64n - 1n - small,
    (1n << 38n) + small,
    1n << BigInt(random.below(64)),
    // Virtual addresses under the other entries of a root.
    (BigInt(random.below(512)) << 30n) | (BigInt(random.below(512)) << 21n) | small,
    (BigInt(random.below(4)) << 30n) | (BigInt(random.below(512)) << 12n),
  ]
  return BigInt.asUintN(64, random.pick(choices))
}

function tlbValue(random: Random): bigint {
  const page = (RAM >> 12n) + BigInt(random.below(HOSTILE_MEMORY_BYTES >> 12))
  const choices = [
    ((RAM >> 12n) << 10n) | 0xefn,
    RAM | 2n,
    (page << 10n) | BigInt(random.below(256)),
    (BigInt(random.below(1 << 20)) << 10n) | BigInt(random.below(256)),
    (BigInt(random.below(1 << 27)) << 12n) | BigInt(random.below(4)) | (BigInt(random.below(4)) << 44n),
    SOFTWARE_TLB | (BigInt(random.below(4)) << 44n),
    RAM + BigInt(random.below(HOSTILE_MEMORY_BYTES)),
  ]
  return random.pick(choices)
}

/** Pointers to the tables themselves, pages of RAM, of devices, of other machines' memory, and noise. */
function tableEntry(random: Random): bigint {
  const page = random.chance(0.6)
    ? (RAM >> 12n) + BigInt(random.below(HOSTILE_MEMORY_BYTES >> 12))
    : random.chance(0.5)
      ? (RAM >> 12n) + BigInt(random.below(1 << 14))
      : random.chance(0.5)
        ? random.pick(DEVICES) >> 12n
        : BigInt(random.below(1 << 30)) << BigInt(random.below(14))
  const flags = random.chance(0.3) ? 1 : random.below(256) | (random.chance(0.9) ? 1 : 0)
  return ((page & ((1n << 44n) - 1n)) << 10n) | BigInt(flags)
}

function instruction(random: Random, csrs: readonly number[]): number {
  const [rd, rs1, rs2, f3] = [random.below(32), random.below(32), random.below(32), random.below(8)]
  const imm = random.chance(0.5) ? random.below(16) : random.below(4096)
  const kind = random.below(100)
  if (kind < 14) return immediate(0x03, { rd, f3: f3 % 7, rs1, imm })
  if (kind < 28) return ((imm >> 5) << 25) | (rs2 << 20) | (rs1 << 15) | ((f3 % 4) << 12) | ((imm & 31) << 7) | 0x23
  if (kind < 36) return (random.below(32) << 27) | (rs2 << 20) | (rs1 << 15) | ((2 + (f3 & 1)) << 12) | (rd << 7) | 0x2f
  if (kind < 46) return immediate(0x73, { rd, f3: random.pick([1, 2, 3, 5, 6, 7]), rs1, imm: random.pick(csrs) })
  if (kind < 49) return (9 << 25) | (rs2 << 20) | (rs1 << 15) | 0x73
  if (kind < 52) return random.pick([0x73, 0x10_0073, 0x1020_0073, 0x3020_0073, 0x1050_0073])
  if (kind < 72) return immediate(0x13, { rd, f3: f3 === 1 || f3 === 5 ? 0 : f3, rs1, imm })
  if (kind < 84) return (rs2 << 20) | (rs1 << 15) | (f3 << 12) | (rd << 7) | 0x33
  // Forward by one or two instructions: loops come from traps and from jumps through registers.
  if (kind < 90) return (rs2 << 20) | (rs1 << 15) | (random.pick([0, 1, 4, 5, 6, 7]) << 12) | (8 << 7) | 0x63
  if (kind < 91) return immediate(0x67, { rd, f3: 0, rs1, imm })
  return random.below(2 ** 31) * 2 + random.below(2)
}
