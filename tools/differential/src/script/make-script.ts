/**
 * Scripts for the guest `privileged`: single instructions with a privilege and two registers each, page tables and pages to try them on.
 *
 * Left out is what QEMU 7.2 does otherwise than the manual (see the guest `strict`), what depends on time, and what would lead off the
 * script: writes of trap vectors, PMP, machine interrupts, and delegation of the calls and faults that the guest itself needs.
 */
import { encode } from "@backplane/compute-riscv/encode"
import type { Random } from "@backplane/foundation-base/random"

export const SCRIPT_ADDRESS = 0x8010_0000n
/** The guest's notes, then tables and pages: all of it is the output. */
export const OUTPUT_ADDRESS = 0x8014_0000n
export const OUTPUT_BYTES = 0x2_0000
export const NOTE_WORDS = 12
export const ENTRIES_MAX = 1024
const TABLES_AT = 0x1_8000
const PAGE = 4096
const FRAMES = 4
const WINDOW_PAGES = 32
/** Pages from here may map to where no device is. No access straddles them: which half faults first, and what is stored before, is open. */
const NOWHERE_FROM = 28
/** Calls lie there in every frame, for jumps; no store reaches them. */
const CALLS_AT = 128
const CALLS = 16
const STORES_FROM = 256

const A0 = 10
const A2 = 12
const WINDOW = 0x1_0000_0000n
const UPPER_WINDOW = 0xffff_ffc0_0000_0000n
const NOWHERE = 0x1800_0000n

const Pte = { valid: 1n, read: 2n, write: 4n, execute: 8n, user: 16n, accessed: 64n, dirty: 128n } as const

export interface Entry {
  readonly word: number
  readonly privilege: 0 | 1 | 3
  readonly a0: bigint
  readonly a1: bigint
}

export interface Script {
  readonly entries: readonly Entry[]
  /** From OUTPUT_ADDRESS: no notes yet, tables and frames as the script begins. */
  readonly memory: Uint8Array
}

export function makeScript(random: Random, entries: number): Script {
  return { entries: Array.from({ length: entries }, () => makeEntry(random)), memory: makeMemory(random) }
}

/** The bytes at SCRIPT_ADDRESS. */
export function scriptBytes({ entries }: Script): Uint8Array {
  const bytes = new Uint8Array(8 + 24 * entries.length)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, BigInt(entries.length), true)
  for (const [index, { word, privilege, a0, a1 }] of entries.entries()) {
    const at = 8 + 24 * index
    view.setUint32(at, word, true)
    view.setUint32(at + 4, privilege, true)
    view.setBigUint64(at + 8, a0, true)
    view.setBigUint64(at + 16, a1, true)
  }
  return bytes
}

function pick<Item>(random: Random, items: readonly [Item, ...Item[]]): Item {
  return items[random.below(items.length)] ?? items[0]
}

function tableAddress(index: number): bigint {
  return OUTPUT_ADDRESS + BigInt(TABLES_AT + index * PAGE)
}

/** Root for S-mode, root for U-mode, the window's middle and leaf tables; frames follow. */
const ROOTS = [tableAddress(0), tableAddress(1)] as const
const MIDDLE = tableAddress(2)
const LEAVES = tableAddress(3)
const frameAddress = (frame: number): bigint => tableAddress(4 + frame)

function makeMemory(random: Random): Uint8Array {
  const memory = new Uint8Array(OUTPUT_BYTES)
  const view = new DataView(memory.buffer)
  const setEntry = (table: bigint, index: number, value: bigint): void =>
    view.setBigUint64(Number(table - OUTPUT_ADDRESS) + 8 * index, value, true)
  const pointer = (to: bigint): bigint => ((to >> 12n) << 10n) | Pte.valid
  const everything = Pte.valid | Pte.read | Pte.write | Pte.execute | Pte.accessed | Pte.dirty
  for (const [index, root] of ROOTS.entries()) {
    setEntry(root, 2, ((0x8000_0000n >> 12n) << 10n) | everything | (index === 1 ? Pte.user : 0n))
    setEntry(root, 4, pointer(MIDDLE))
    setEntry(root, 256, pointer(MIDDLE))
  }
  setEntry(MIDDLE, 0, pointer(LEAVES))
  // A superpage that can be read, one that is misaligned, a pointer with a bit that only leaves may have.
  setEntry(MIDDLE, 1, ((0x8000_0000n >> 12n) << 10n) | Pte.valid | Pte.read)
  setEntry(MIDDLE, 2, ((0x8000_1000n >> 12n) << 10n) | Pte.valid | Pte.read)
  setEntry(MIDDLE, 3, pointer(LEAVES) | Pte.accessed)
  for (let page = 0; page < WINDOW_PAGES; page += 1) setEntry(LEAVES, page, makeLeaf(random, page))
  for (let frame = 0; frame < FRAMES; frame += 1) {
    const at = Number(frameAddress(frame) - OUTPUT_ADDRESS)
    for (let byte = 0; byte < PAGE; byte += 1) memory[at + byte] = random.below(256)
    for (let call = 0; call < CALLS; call += 1) view.setUint32(at + CALLS_AT + 4 * call, encode("ecall"), true)
  }
  return memory
}

function makeLeaf(random: Random, page: number): bigint {
  const target = page >= NOWHERE_FROM && random.below(2) === 0 ? NOWHERE : frameAddress(random.below(FRAMES))
  const bits = BigInt(random.below(256)) | (random.below(8) === 0 ? 0n : Pte.valid)
  const reserved = random.below(24) === 0 ? 1n << BigInt(54 + random.below(10)) : 0n
  return ((target >> 12n) << 10n) | bits | reserved
}

function makeEntry(random: Random): Entry {
  const make = pick(random, [makeLoad, makeLoad, makeStore, makeAtomic, makeJump, makeCsr, makeCsr, makeCsr, makeSystem])
  return { ...make(random), privilege: pick(random, [0, 1, 1, 3] as const) }
}

type Action = Omit<Entry, "privilege">

const word64 = (random: Random): bigint => (BigInt(random.uint32()) << 32n) | BigInt(random.uint32())

/** A page to try, out of the first `pages` of the window or somewhere else. */
function page(random: Random, pages = WINDOW_PAGES): bigint {
  const low = BigInt(random.below(pages) * PAGE)
  switch (random.below(12)) {
    case 0:
      return UPPER_WINDOW + low
    case 1:
      return WINDOW + BigInt(1 + random.below(3)) * 0x20_0000n + 0x10_0000n
    case 2:
      return pick(random, [1n << 38n, 1n << 39n, 1n << 63n, 0xffff_ff80_0000_0000n, 0xffff_ffbf_ffff_f000n])
    case 3:
      return frameAddress(random.below(FRAMES))
    default:
      return WINDOW + low
  }
}

function makeLoad(random: Random): Action {
  const name = pick(random, ["lb", "lbu", "lh", "lhu", "lw", "lwu", "ld"])
  const a0 = random.below(4) === 0 ? straddling(random) : page(random) + BigInt(random.below(PAGE - 8))
  return { word: encode(name, { rd: A2, rs1: A0, immediate: 0 }), a0, a1: 0n }
}

function makeStore(random: Random): Action {
  const name = pick(random, ["sb", "sh", "sw", "sd"])
  const a0 = random.below(4) === 0 ? straddling(random) : page(random) + BigInt(STORES_FROM + random.below(PAGE - STORES_FROM - 8))
  return { word: encode(name, { rs1: A0, rs2: 11, immediate: 0 }), a0, a1: word64(random) }
}

/** The last bytes of a page. */
function straddling(random: Random): bigint {
  return page(random, NOWHERE_FROM - 1) + BigInt(PAGE - 1 - random.below(8))
}

/** Aligned: QEMU gives a misaligned AMO the cause of a load. */
function makeAtomic(random: Random): Action {
  const name = pick(random, ["amoadd.w", "amoadd.d", "amoswap.d", "amomaxu.w", "lr.w", "lr.d"])
  const operands = name.startsWith("lr") ? { rd: A2, rs1: A0 } : { rd: A2, rs1: A0, rs2: 11 }
  return { word: encode(name, operands), a0: page(random) + BigInt(STORES_FROM + 8 * random.below(256)), a1: word64(random) }
}

function makeJump(random: Random): Action {
  return { word: encode("jalr", { rd: 0, rs1: A0, immediate: 0 }), a0: page(random) + BigInt(CALLS_AT + 4 * random.below(CALLS)), a1: 0n }
}

function makeSystem(random: Random): Action {
  const name = pick(random, ["ecall", "mret", "sret", "sfence.vma", "sfence.vma", "ebreak"])
  const operands = name === "sfence.vma" ? { rs1: pick(random, [0, A0]), rs2: pick(random, [0, 11]) } : {}
  // One in eight is no instruction at all, or one of an extension that is not here.
  const odd = random.below(8) === 0
  const word = odd ? pick(random, [0, 0xffff_ffff, 0x0000_0053, 0x0000_b007, 0x0020_0073, 0x7b20_0073]) : encode(name, operands)
  return { word, a0: page(random), a1: BigInt(random.below(4)) }
}

interface Register {
  readonly number: number
  /** Bits that may be written; 0 for one that is only read. */
  readonly mask: bigint
  /** Reading gives something that depends on the machine or on time: the instruction drops it. */
  readonly silent?: true
}

/** Not 1, 9 and 12, which the guest's own S-mode handler could not survive, nor 3, 5 and 7, whose values QEMU has its own way with. */
const DELEGATED = 0xa155n
/** Software and timer of S-mode. QEMU without AIA takes the lowest number first, so an external one must not compete with them. */
const INTERRUPTS = 0x022n
const ALL = 0xffff_ffff_ffff_ffffn
const REGISTERS: readonly [Register, ...Register[]] = [
  { number: 0x300, mask: 0x7e_18aan, silent: true },
  { number: 0x300, mask: 0x0e_1800n, silent: true },
  { number: 0x100, mask: 0x0c_0122n, silent: true },
  { number: 0x100, mask: 0x0c_0122n, silent: true },
  { number: 0x302, mask: DELEGATED },
  { number: 0x303, mask: INTERRUPTS, silent: true },
  { number: 0x304, mask: INTERRUPTS },
  { number: 0x344, mask: INTERRUPTS },
  { number: 0x104, mask: INTERRUPTS },
  { number: 0x144, mask: INTERRUPTS },
  { number: 0x106, mask: 7n },
  { number: 0x306, mask: 7n },
  { number: 0x140, mask: ALL },
  { number: 0x141, mask: ALL & ~1n },
  { number: 0x142, mask: ALL },
  { number: 0x143, mask: ALL },
  { number: 0x342, mask: ALL, silent: true },
  { number: 0x343, mask: ALL, silent: true },
  { number: 0x180, mask: 0n },
  { number: 0xc00, mask: 0n, silent: true },
  { number: 0xc01, mask: 0n, silent: true },
  { number: 0xc02, mask: 0n, silent: true },
  { number: 0xf14, mask: 0n },
  { number: 0x5c0, mask: 0n },
  { number: 0x800, mask: 0n },
]
const SATP = 0x180
const MSTATUS = 0x300
const MPP = 0x1800n

function makeCsr(random: Random): Action {
  if (random.below(6) === 0) return satpWrite(random)
  const { number, mask, silent } = pick(random, REGISTERS)
  const name = mask === 0n ? "csrrs" : pick(random, ["csrrw", "csrrs", "csrrc"])
  const value = legal(number, word64(random) & mask)
  // A register that holds zero is a write all the same, which QEMU forgets: then x0 is named.
  const rs1 = mask === 0n ? 0 : A0
  return {
    word: encode(name, { rd: silent === true ? 0 : A2, immediate: number, rs1 }),
    a0: value === 0n && name !== "csrrw" ? 1n & mask : value,
    a1: 0n,
  }
}

/** MPP gets both bits or none: the reserved level is not for comparing. */
function legal(number: number, value: bigint): bigint {
  if (number !== MSTATUS) return value
  return (value & (1n << 11n)) === 0n ? value & ~MPP : value | MPP
}

function satpWrite(random: Random): Action {
  const root = pick(random, ROOTS)
  const value = random.below(4) === 0 ? 0n : (8n << 60n) | (BigInt(random.below(3)) << 44n) | (root >> 12n)
  return { word: encode("csrrw", { rd: A2, immediate: SATP, rs1: A0 }), a0: value, a1: 0n }
}
