/**
 * Physical memory protection: 16 entries, granularity of four bytes.
 *
 * Privileged manual, "Physical Memory Protection". Not here: who must ask (the engine's walker, for each page that it fills in and
 * for the page-table entries themselves). mseccfg is absent.
 */
import { Slot, type CsrFile } from "./csr-file.ts"
import { MACHINE, type Privilege } from "./privilege.ts"

export const PMP_ENTRIES = 16
const ENTRIES_PER_WORD = 8
const READ = 1
const WRITE = 2
const EXECUTE = 4
const MODE_SHIFT = 3
const LOCKED = 0x80
const CONFIG_BITS = LOCKED | (3 << MODE_SHIFT) | EXECUTE | WRITE | READ
/** Address bits 55…2. */
const ADDRESS_BITS = (1n << 54n) - 1n
/** One past the highest physical address: 56 bits. */
export const PHYSICAL_END = 1n << 56n

const Mode = { off: 0, topOfRange: 1, naturallyFour: 2, naturallyPowerOfTwo: 3 } as const

export type Access = "read" | "write" | "execute"

/** One active entry as the half-open range of physical addresses that it covers. */
export interface PmpRange {
  readonly entry: number
  readonly from: bigint
  readonly to: bigint
  readonly read: boolean
  readonly write: boolean
  readonly execute: boolean
  readonly locked: boolean
}

function configurationSlot(entry: number): number {
  return entry < ENTRIES_PER_WORD ? Slot.pmpcfg0 : Slot.pmpcfg2
}

function configuration(file: CsrFile, entry: number): number {
  return Number((file.get(configurationSlot(entry)) >> BigInt((entry % ENTRIES_PER_WORD) * 8)) & 0xffn)
}

function mode(config: number): number {
  return (config >> MODE_SHIFT) & 3
}

/** Writes eight configuration bytes; those of locked entries stay as they are. `word` is 0 for pmpcfg0, 1 for pmpcfg2. */
export function writePmpConfiguration(file: CsrFile, word: 0 | 1, value: bigint): void {
  let result = 0n
  for (let index = 0; index < ENTRIES_PER_WORD; index += 1) {
    const old = configuration(file, word * ENTRIES_PER_WORD + index)
    const wanted = Number((value >> BigInt(index * 8)) & 0xffn)
    const kept = (old & LOCKED) !== 0 ? old : legalConfiguration(wanted)
    result |= BigInt(kept) << BigInt(index * 8)
  }
  file.set(word === 0 ? Slot.pmpcfg0 : Slot.pmpcfg2, result)
}

/** WARL: "write without read" is reserved and becomes "no access"; bits 5 and 6 are zero. */
function legalConfiguration(wanted: number): number {
  const config = wanted & CONFIG_BITS
  return (config & (READ | WRITE)) === WRITE ? config & ~WRITE : config
}

/** An address register is locked with its entry, and also with the next entry if that one takes it as the bottom of its range. */
export function writePmpAddress(file: CsrFile, entry: number, value: bigint): void {
  const own = configuration(file, entry)
  const next = entry + 1 < PMP_ENTRIES ? configuration(file, entry + 1) : 0
  const lockedByNext = (next & LOCKED) !== 0 && mode(next) === Mode.topOfRange
  if ((own & LOCKED) !== 0 || lockedByNext) return
  file.set(Slot.pmpaddr0 + entry, value & ADDRESS_BITS)
}

/** Opens all memory to S and U: what firmware does before it starts a guest in S-mode. */
export function openPmp(file: CsrFile): void {
  file.set(Slot.pmpcfg0, BigInt((Mode.naturallyPowerOfTwo << MODE_SHIFT) | EXECUTE | WRITE | READ))
  file.set(Slot.pmpcfg2, 0n)
  file.set(Slot.pmpaddr0, ADDRESS_BITS)
}

/** The active entries, first match first. An empty range (TOR with top below bottom) matches nothing and is left out. */
export function pmpRanges(file: CsrFile): readonly PmpRange[] {
  const ranges: PmpRange[] = []
  for (let entry = 0; entry < PMP_ENTRIES; entry += 1) {
    const config = configuration(file, entry)
    const bounds = rangeOf(file, { entry, config })
    if (bounds === null || bounds.to <= bounds.from) continue
    ranges.push({
      entry,
      ...bounds,
      read: (config & READ) !== 0,
      write: (config & WRITE) !== 0,
      execute: (config & EXECUTE) !== 0,
      locked: (config & LOCKED) !== 0,
    })
  }
  return ranges
}

function rangeOf(file: CsrFile, { entry, config }: { entry: number; config: number }): { from: bigint; to: bigint } | null {
  const address = file.get(Slot.pmpaddr0 + entry)
  switch (mode(config)) {
    case Mode.topOfRange:
      return { from: entry === 0 ? 0n : file.get(Slot.pmpaddr0 + entry - 1) << 2n, to: address << 2n }
    case Mode.naturallyFour:
      return { from: address << 2n, to: (address << 2n) + 4n }
    case Mode.naturallyPowerOfTwo: {
      // n trailing ones say 2^(n+3) bytes: in words, the ones and one bit more are the offset, the bits above them the base.
      const offset = address ^ (address + 1n)
      return { from: (address & ~offset) << 2n, to: ((address | offset) + 1n) << 2n }
    }
    default:
      return null
  }
}

export interface PhysicalAccess {
  readonly address: bigint
  readonly bytes: number
  readonly access: Access
  /** For loads and stores the effective privilege (MPRV counts), for page-table walks S. */
  readonly privilege: Privilege
}

/** True if the lowest-numbered entry that matches any byte matches all of them and permits the access. */
export function pmpPermits(file: CsrFile, wanted: PhysicalAccess): boolean {
  return permitted(pmpRanges(file), wanted)
}

/** The same judgement over ranges computed before: they change only when a PMP CSR is written. */
export function permitted(ranges: readonly PmpRange[], { address, bytes, access, privilege }: PhysicalAccess): boolean {
  const end = address + BigInt(bytes)
  const match = ranges.find((range) => address < range.to && end > range.from)
  if (match === undefined) return privilege === MACHINE
  if (address < match.from || end > match.to) return false
  return (privilege === MACHINE && !match.locked) || match[access]
}

/** True if no entry can ever stand in the way of `privilege`: the first one covers everything and permits everything. */
export function pmpIsOpen(file: CsrFile, privilege: Privilege): boolean {
  const [first, ...others] = pmpRanges(file)
  if (privilege === MACHINE) return [...(first === undefined ? [] : [first]), ...others].every((range) => !range.locked)
  if (first === undefined) return false
  return first.from === 0n && first.to >= PHYSICAL_END && first.read && first.write && first.execute
}

/** Permission bits by name, for tests that build configuration bytes. */
export const PmpBit = { read: READ, write: WRITE, execute: EXECUTE, locked: LOCKED, modeShift: MODE_SHIFT } as const
export { Mode as PmpMode }
