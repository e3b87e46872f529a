/**
 * The compact CSR file of one hart: 64 slots of 64 bits, the only state of this model.
 *
 * Not here: CSR numbers and their rules (csr-table.ts). The slots are reached through a two-method interface, so that the same
 * model works on an array of its own, on the engine's linear memory, or on a record that came over the bus.
 */
import { MACHINE } from "./privilege.ts"
import { TLB_WORDS, type SoftwareTlb } from "./software-tlb.ts"

/** Where each piece of state lies. The numbers are part of the layout that engine and migration share: append, never renumber. */
export const Slot = {
  /** Current privilege: 0, 1 or 3. */
  privilege: 0,
  mstatus: 1,
  medeleg: 2,
  mideleg: 3,
  mie: 4,
  /** Bits of `mip` that software wrote: SSIP, STIP (without Sstc) and SEIP. The levels of the wires are in `lines`. */
  mipSoftware: 5,
  /** Levels that CLINT and PLIC drive: MSIP, MTIP, SEIP, MEIP. Written by the board, read-only to the guest. */
  lines: 6,
  mtvec: 7,
  mcounteren: 8,
  mscratch: 9,
  mepc: 10,
  mcause: 11,
  mtval: 12,
  menvcfg: 13,
  mcountinhibit: 14,
  stvec: 15,
  scounteren: 16,
  sscratch: 17,
  sepc: 18,
  scause: 19,
  stval: 20,
  senvcfg: 21,
  stimecmp: 22,
  satp: 23,
  /** `mcycle` = this + retired instructions, or this alone while inhibited. Same for `minstret`. */
  cycleBase: 24,
  instretBase: 25,
  mhartid: 26,
  /** pmpcfg0 and pmpcfg2: eight configuration bytes each. */
  pmpcfg0: 28,
  pmpcfg2: 29,
  /** pmpaddr0…15 follow. */
  pmpaddr0: 32,
} as const

export type SlotNumber = number

export const SLOTS = 64

export interface CsrFile {
  /** The slot as an unsigned 64-bit value. */
  get(slot: SlotNumber): bigint
  /** `value` must already lie in 0…2^64-1. */
  set(slot: SlotNumber, value: bigint): void
  /** The extension of a software TLB, whose state are the slots from SLOTS on; null: this hart has none. */
  readonly tlb: SoftwareTlb | null
}

/** How many slots are the state of this hart. */
export function slotsOf(file: CsrFile): number {
  return file.tlb === null ? SLOTS : SLOTS + TLB_WORDS
}

/** A CSR file over any view of 64 unsigned 64-bit words. The view is asked for each time: WebAssembly detaches it when memory grows. */
export class ViewCsrFile implements CsrFile {
  readonly tlb: SoftwareTlb | null
  readonly #view: () => BigUint64Array

  constructor(view: () => BigUint64Array, tlb: SoftwareTlb | null = null) {
    this.#view = view
    this.tlb = tlb
  }

  get(slot: SlotNumber): bigint {
    if (slot >= SLOTS) return this.tlb?.word(slot - SLOTS) ?? 0n
    return this.#view()[slot] ?? 0n
  }

  set(slot: SlotNumber, value: bigint): void {
    if (slot >= SLOTS) this.tlb?.setWord(slot - SLOTS, value)
    else this.#view()[slot] = value
  }
}

/** A free-standing CSR file, just after reset; over `words` of somebody else's where given. */
export function newCsrFile(hart: number, tlb: SoftwareTlb | null = null, words: BigUint64Array = new BigUint64Array(SLOTS)): CsrFile {
  const file = new ViewCsrFile(() => words, tlb)
  resetCsrFile(file, hart)
  return file
}

/** UXL and SXL: both read-only 2, "64 bits". */
export const STATUS_XLEN = (2n << 32n) | (2n << 34n)

/**
 * State after reset. Privileged manual, section "Reset": M-mode, MIE = MPRV = 0, satp bare, PMP entries off and unlocked.
 * `stimecmp` starts at the far end of time, so that turning Sstc on does not raise an interrupt that nobody asked for.
 */
export function resetCsrFile(file: CsrFile, hart: number): void {
  for (let slot = 0; slot < SLOTS; slot += 1) file.set(slot, 0n)
  file.set(Slot.privilege, BigInt(MACHINE))
  file.set(Slot.mstatus, STATUS_XLEN)
  file.set(Slot.stimecmp, 0xffff_ffff_ffff_ffffn)
  file.set(Slot.mhartid, BigInt(hart))
}
