/**
 * The software TLB of one hart: 64 entries that the operating system fills, as on MIPS, and the registers to do it with.
 *
 * What a guest sees is written in trap/vmm/software-tlb.md. Not here: what an access does with an entry (tlb-translation.ts), who may
 * touch the CSRs (csr-table.ts), the engine's look-up TLB, which must forget what is dropped here (`takeDropped`).
 * T1: no two entries match the same address. T2: entries below `wired` change by indexed writes only.
 */
import { defined } from "@backplane/foundation-base/assert"

export const TLB_ENTRIES = 64
/** Words of 64 bits in which all of it can be kept and moved: tags, PTEs, registers. */
export const TLB_WORDS = 2 * TLB_ENTRIES + 8
/** Levels of Sv39: 4 KiB, 2 MiB, 1 GiB. */
const LEVELS = 3
const LEVEL_BITS = 9
const PAGE_SHIFT = 12n
const PAGE_NUMBERS = 2 ** 27 - 1
const ASIDS = 0xffffn
const ASID_SHIFT = 44n
const SIZE = 3n
const PTE_BITS = (1n << 54n) - 1n
const GLOBAL = 32n
/** In a word that is kept: the entry holds something. A page 0 of ASID 0 is not an empty entry. */
const OCCUPIED = 1n << 63n
const NOT_FOUND = 1n << 63n
const INDEX = 63n
const EMPTY = -1
/** Start of the sequence of random replacement: any number but 0. */
const RANDOM_SEED = 0x2545_f491
const ALL_64 = (1n << 64n) - 1n

/** Which entries a fence means; null: all. */
export interface TlbScope {
  readonly address: bigint | null
  readonly addressSpace: bigint | null
}

/** A page that no entry maps any more; `pages` of 4 KiB from `address`. */
export interface DroppedPage {
  readonly address: bigint
  readonly pages: number
}

/** More than that many and whoever asks forgets everything. */
const DROPPED_MAX = 8

export class SoftwareTlb {
  /** By entry: page number of 27 bits, low bits zero below its size; EMPTY for none. */
  readonly #pages = new Int32Array(TLB_ENTRIES).fill(EMPTY)
  readonly #sizes = new Uint8Array(TLB_ENTRIES)
  readonly #asids = new Uint16Array(TLB_ENTRIES)
  readonly #globals = new Uint8Array(TLB_ENTRIES)
  readonly #entries = new BigUint64Array(TLB_ENTRIES)
  /** Entries of more than 4 KiB: without one, a look-up compares once each. */
  #large = 0
  tag = 0n
  #index = 0n
  #wired = 0
  vector = 0n
  frame = 0n
  #random = RANDOM_SEED
  #dropped: DroppedPage[] | "all" = []
  /** Told of each entry that is written, and of each that is dropped for another reason than random replacement. */
  observer: TlbObserver | null = null

  get wired(): number {
    return this.#wired
  }

  index(): bigint {
    return this.#index
  }

  setIndex(value: bigint): void {
    this.#index = value & (NOT_FOUND | INDEX)
  }

  setTag(value: bigint): void {
    this.tag = tagOf(pageOf(value), sizeOf(value), asidOf(value))
  }

  setWired(value: bigint): void {
    this.#wired = Number(value & INDEX)
  }

  /** Which entry the next random write replaces. */
  randomIndex(): number {
    return this.#wired + (this.#random % (TLB_ENTRIES - this.#wired))
  }

  writeRandom(entry: bigint): void {
    const at = this.randomIndex()
    this.#random = nextRandom(this.#random)
    this.#write(at, entry, "random")
  }

  writeIndexed(entry: bigint): void {
    this.#write(Number(this.#index & INDEX), entry, "indexed")
  }

  /** What is remembered elsewhere comes back: as `writeRandom`, with a tag of its own, and without telling the observer. */
  restoreRandom(tag: bigint, entry: bigint): void {
    const at = this.randomIndex()
    this.#random = nextRandom(this.#random)
    this.#place(at, { page: pageOf(tag), size: sizeOf(tag), asid: asidOf(tag), entry })
  }

  readTag(): bigint {
    return this.tagAt(Number(this.#index & INDEX))
  }

  readEntry(): bigint {
    return this.entryAt(Number(this.#index & INDEX))
  }

  probe(address: bigint, asid: number): void {
    const found = isCanonical(address) ? this.look(address, asid) : -1
    this.#index = found < 0 ? NOT_FOUND : BigInt(found)
  }

  /** The hart missed: the tag that a handler will want to write is put into place. */
  missed(address: bigint, asid: number): void {
    this.tag = tagOf(Number((address >> PAGE_SHIFT) & BigInt(PAGE_NUMBERS)), 0, asid)
  }

  /** The entry that matches, or -1. `address` is canonical. */
  look(address: bigint, asid: number): number {
    const page = Number((address >> PAGE_SHIFT) & BigInt(PAGE_NUMBERS))
    const pages = this.#pages
    if (this.#large === 0) {
      for (let at = 0; at < TLB_ENTRIES; at += 1) {
        if (pages[at] === page && (this.#globals[at] === 1 || this.#asids[at] === asid)) return at
      }
      return -1
    }
    for (let at = 0; at < TLB_ENTRIES; at += 1) {
      const mask = below(this.#sizes[at] ?? 0)
      if (pages[at] === (page & ~mask) && (this.#globals[at] === 1 || this.#asids[at] === asid)) return at
    }
    return -1
  }

  entryAt(index: number): bigint {
    return defined(this.#entries[index], "an index is below 64")
  }

  tagAt(index: number): bigint {
    const page = defined(this.#pages[index], "an index is below 64")
    return page === EMPTY ? 0n : tagOf(page, this.#sizes[index] ?? 0, this.#asids[index] ?? 0)
  }

  sizeAt(index: number): number {
    return this.#sizes[index] ?? 0
  }

  isOccupied(index: number): boolean {
    return this.#pages[index] !== EMPTY
  }

  fence({ address, addressSpace }: TlbScope): void {
    const page = address === null ? null : Number((address >> PAGE_SHIFT) & BigInt(PAGE_NUMBERS))
    for (let at = this.#wired; at < TLB_ENTRIES; at += 1) {
      const held = this.#pages[at] ?? EMPTY
      if (held === EMPTY) continue
      if (page !== null && held !== (page & ~below(this.#sizes[at] ?? 0))) continue
      if (addressSpace !== null && (this.#globals[at] === 1 || this.#asids[at] !== Number(addressSpace & ASIDS))) continue
      this.#drop(at)
    }
    this.observer?.fenced({ address, addressSpace })
  }

  /** What has gone since this was asked last: the engine's look-up TLB must forget it. */
  takeDropped(): readonly DroppedPage[] | "all" {
    const dropped = this.#dropped
    if (dropped !== "all" && dropped.length === 0) return NOTHING
    this.#dropped = []
    return dropped
  }

  /** Word n of TLB_WORDS. */
  word(at: number): bigint {
    if (at < TLB_ENTRIES) return this.isOccupied(at) ? OCCUPIED | this.tagAt(at) : 0n
    if (at < 2 * TLB_ENTRIES) return this.#entries[at - TLB_ENTRIES] ?? 0n
    const registers = [this.tag, this.#index, BigInt(this.#wired), this.vector, this.frame, BigInt(this.#random)]
    return registers[at - 2 * TLB_ENTRIES] ?? 0n
  }

  setWord(at: number, value: bigint): void {
    this.#dropped = "all"
    if (at < TLB_ENTRIES) this.#setTagAt(at, value)
    else if (at < 2 * TLB_ENTRIES) this.#setEntryAt(at - TLB_ENTRIES, value)
    else this.#setRegister(at - 2 * TLB_ENTRIES, value)
  }

  #setTagAt(at: number, value: bigint): void {
    if ((this.#sizes[at] ?? 0) > 0 && this.isOccupied(at)) this.#large -= 1
    this.#pages[at] = (value & OCCUPIED) === 0n ? EMPTY : pageOf(value)
    this.#sizes[at] = sizeOf(value)
    this.#asids[at] = asidOf(value)
    if ((this.#sizes[at] ?? 0) > 0 && this.isOccupied(at)) this.#large += 1
  }

  #setEntryAt(at: number, value: bigint): void {
    this.#entries[at] = value & PTE_BITS
    this.#globals[at] = (value & GLOBAL) === 0n ? 0 : 1
  }

  #setRegister(at: number, value: bigint): void {
    if (at === 0) this.setTag(value)
    else if (at === 1) this.setIndex(value)
    else if (at === 2) this.setWired(value)
    else if (at === 3) this.vector = value & ALL_64
    else if (at === 4) this.frame = value & ALL_64
    else if (at === 5) this.#random = Number(BigInt.asUintN(32, value)) || RANDOM_SEED
  }

  #write(at: number, entry: bigint, how: "random" | "indexed"): void {
    const page = pageOf(this.tag)
    const size = sizeOf(this.tag)
    if (how === "indexed" && this.isOccupied(at)) this.observer?.dropped(this.tagAt(at), this.#globals[at] === 1)
    this.#place(at, { page, size, asid: asidOf(this.tag), entry })
    this.observer?.written(this.tagAt(at), this.entryAt(at))
  }

  #place(
    at: number,
    { page, size, asid, entry }: { readonly page: number; readonly size: number; readonly asid: number; readonly entry: bigint },
  ): void {
    const global = (entry & GLOBAL) !== 0n
    for (let other = 0; other < TLB_ENTRIES; other += 1) {
      if (other !== at && this.#overlaps(other, { page, size, asid, global })) this.#drop(other)
    }
    this.#drop(at)
    this.#pages[at] = page
    this.#sizes[at] = size
    this.#asids[at] = asid
    this.#globals[at] = global ? 1 : 0
    this.#entries[at] = entry & PTE_BITS & ~(BigInt(below(size)) << 10n)
    if (size > 0) this.#large += 1
  }

  #overlaps(
    at: number,
    { page, size, asid, global }: { readonly page: number; readonly size: number; readonly asid: number; readonly global: boolean },
  ): boolean {
    const held = this.#pages[at] ?? EMPTY
    if (held === EMPTY) return false
    if (!global && this.#globals[at] !== 1 && this.#asids[at] !== asid) return false
    const mask = below(Math.max(size, this.#sizes[at] ?? 0))
    return (held & ~mask) === (page & ~mask)
  }

  #drop(at: number): void {
    const page = this.#pages[at] ?? EMPTY
    if (page === EMPTY) return
    const size = this.#sizes[at] ?? 0
    if (size > 0) this.#large -= 1
    this.#pages[at] = EMPTY
    this.#sizes[at] = 0
    this.#asids[at] = 0
    this.#globals[at] = 0
    this.#entries[at] = 0n
    if (this.#dropped === "all") return
    if (this.#dropped.length >= DROPPED_MAX) this.#dropped = "all"
    else this.#dropped.push({ address: addressOfPage(page), pages: below(size) + 1 })
  }
}

/** Who remembers more than 64 entries. */
export interface TlbObserver {
  written(tag: bigint, entry: bigint): void
  dropped(tag: bigint, isGlobal: boolean): void
  fenced(scope: TlbScope): void
}

const NOTHING: readonly DroppedPage[] = []

function below(size: number): number {
  return 2 ** (LEVEL_BITS * size) - 1
}

function pageOf(tag: bigint): number {
  return Number((tag >> PAGE_SHIFT) & BigInt(PAGE_NUMBERS)) & ~below(sizeOf(tag))
}

/** 3 becomes 0. */
export function sizeOf(tag: bigint): number {
  return Number(tag & SIZE) % LEVELS
}

export function asidOf(tag: bigint): number {
  return Number((tag >> ASID_SHIFT) & ASIDS)
}

function tagOf(page: number, size: number, asid: number): bigint {
  return (BigInt(page) << PAGE_SHIFT) | BigInt(size) | (BigInt(asid) << ASID_SHIFT)
}

/** Of a page number of 27 bits, sign-extended as Sv39 has it. */
export function addressOfPage(page: number): bigint {
  return BigInt.asUintN(64, BigInt.asIntN(39, BigInt(page) << PAGE_SHIFT))
}

export function isCanonical(address: bigint): boolean {
  return BigInt.asUintN(64, BigInt.asIntN(39, address)) === address
}

/** Marsaglia's xorshift of 32 bits. */
function nextRandom(state: number): number {
  let next = state ^ (state << 13)
  next ^= next >>> 17
  next ^= next << 5
  return next >>> 0
}
