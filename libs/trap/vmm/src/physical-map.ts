/**
 * Physical → machine for one VM: which frame holds each page of what the guest takes for RAM. Filled at first touch, never the identity.
 *
 * Addresses here are physical (gpa); machine addresses come out of `machinePage` and `writablePage` only. I1: every frame in here is owned by this VM, or is
 * one of equal pages (shared-frames.ts) that holds what the page holds. I7: of a page that lies in such a frame nobody has a way to write: it gets a frame of its own first.
 */
import { assert } from "@backplane/foundation-base/assert"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { CopiedPages } from "./copied-pages.ts"
import { PAGE_BYTES, PAGE_SHIFT, type MachineFrames } from "./machine-frames.ts"
import { holdsAnything, pieces } from "./page-pieces.ts"
import { PageRights } from "./page-rights.ts"
import type { Engine, FrameRights } from "@backplane/compute-contract/engine"
import type { FrameSwap } from "./frame-swap.ts"
import type { GonePage } from "./guest-mmu.ts"
import type { PageOf, SharedFrames } from "./shared-frames.ts"

const FIRST_PAGE = RAM_BASE >> PAGE_SHIFT
const OFFSET_MASK = BigInt(PAGE_BYTES - 1)
const WORD_BYTES = 8
const UNTOUCHED = -1
/** Given back by the guest. */
const OUT = -2
/** In the node's swap store. */
const SWAPPED = -3

export interface Paging {
  /** Frames of equal pages; absent: none of its pages is ever shared. */
  readonly shared?: SharedFrames
  /** Where pages go when frames are short; absent: nowhere, and there is a frame for every page. */
  readonly swap?: FrameSwap
  /** Other nodes have part in this memory: pages have rights, at first none, and stay in frames of their own. */
  readonly coherent?: boolean
}

export interface PhysicalMapOptions extends Paging {
  readonly engine: Engine
  readonly frames: MachineFrames
  /** The VM's number. */
  readonly owner: number
  readonly bytes: number
}

export class PhysicalMap {
  readonly bytes: number
  readonly #engine: Engine
  readonly #frames: MachineFrames
  readonly #owner: number
  /** By page from the beginning of the guest's RAM: machine page number, UNTOUCHED, OUT or SWAPPED. */
  readonly #pages: Float64Array
  readonly #shared: SharedFrames | null
  readonly #swap: FrameSwap | null
  /** By page that is SWAPPED: where it lies. */
  readonly #slots = new Map<number, number>()
  /** By page: it was used since the clock's hand came by. */
  readonly #used: Uint8Array
  /** By page: it lies in a frame of equal pages. */
  readonly #isShared: Uint8Array
  #unshared = 0
  /** By page: how often it was shared in vain, counted up to 255. */
  readonly #timesUnshared: Uint8Array
  #pagesShared = 0
  #broughtIn = 0
  /** Pages that stay where they are: somebody else watches their frames. */
  readonly #kept = new Set<number>()
  /** Physical page → told when the VMM or a device writes into it. */
  #onWrite: (page: bigint) => void = () => undefined
  /** Told of pages that leave their frames: every way there must go. */
  #onGone: (gone: readonly GonePage[]) => void = () => undefined
  /** Null: nobody copies it. */
  #copied: CopiedPages | null = null
  /** Null: all of it is this node's. */
  readonly #rights: PageRights | null

  constructor({ engine, frames, owner, bytes, shared, swap, coherent = false }: PhysicalMapOptions) {
    assert(bytes % PAGE_BYTES === 0 && bytes > 0, "a guest's RAM is whole pages")
    this.bytes = bytes
    this.#engine = engine
    this.#frames = frames
    this.#owner = owner
    this.#pages = new Float64Array(bytes / PAGE_BYTES).fill(UNTOUCHED)
    this.#shared = shared ?? null
    this.#swap = swap ?? null
    this.#rights = coherent ? new PageRights(engine, this.#pages.length) : null
    this.#used = new Uint8Array(this.#pages.length)
    this.#isShared = new Uint8Array(this.#pages.length)
    this.#timesUnshared = new Uint8Array(this.#pages.length)
  }

  /** Page tables must know of writes that no store of the guest makes. */
  observeWrites(observer: (page: bigint) => void): void {
    this.#onWrite = observer
  }

  /** Translations must know of pages that leave their frames. */
  observeGone(observer: (gone: readonly GonePage[]) => void): void {
    this.#onGone = observer
  }

  contains(address: bigint, bytes: number): boolean {
    return address >= RAM_BASE && address + BigInt(bytes) <= RAM_BASE + BigInt(this.bytes)
  }

  /** The frame of a physical page, given now if this is its first touch; null outside the guest's RAM, and of a page that the guest gave back. */
  machinePage(page: bigint): bigint | null {
    const index = Number(page - FIRST_PAGE)
    const known = this.#pages[index]
    if (known === undefined) return null
    if (known === OUT) return null
    this.#touch(index)
    if (known >= 0) return BigInt(known)
    if (known === SWAPPED) return this.#bringIn(index)
    const frame = this.#frames.allocate(this.#owner)
    assert(frame !== null, "memory for every page of a VM was kept free when it was made")
    this.#pages[index] = Number(frame)
    this.#copied?.changed(index, Number(frame))
    this.#rights?.given(index, Number(frame))
    return frame
  }

  /** What the CPUs of this node may do with the page from now on. */
  setRights(index: number, rights: FrameRights): void {
    this.#rights?.set(index, this.#pages[index] ?? UNTOUCHED, rights)
  }

  /** The page whose rights an access at this machine address fell short of; null: all of the memory is this node's. */
  pageShort(address: bigint): number | null {
    return this.#rights?.pageAt(address) ?? null
  }

  /** The frame of a physical page for who will write there: this VM's alone from now on. Null as `machinePage`. */
  writablePage(page: bigint): bigint | null {
    const frame = this.machinePage(page)
    return frame !== null && this.isShared(page) ? this.#unshare(Number(page - FIRST_PAGE)) : frame
  }

  /** It may only be read where it lies. */
  isShared(page: bigint): boolean {
    return this.#isShared[Number(page - FIRST_PAGE)] === 1
  }

  /** Pages that lay together with equal ones and were written, so far. */
  get unshared(): number {
    return this.#unshared
  }

  /** It stays where it is. */
  keep(page: bigint): void {
    this.#kept.add(Number(page - FIRST_PAGE))
  }

  /** How many pages of RAM there are. */
  get pages(): number {
    return this.#pages.length
  }

  /** Could it share a frame: has it one of its own, and does nobody watch or copy it? */
  canShare(index: number): boolean {
    if (this.#rights !== null || this.#copied !== null || this.#kept.has(index)) return false
    return (this.#pages[index] ?? UNTOUCHED) >= 0 && this.#isShared[index] === 0
  }

  /** How often it lay with others and was written. */
  timesUnshared(index: number): number {
    return this.#timesUnshared[index] ?? 0
  }

  /** Its own frame becomes one of equal pages, of which it is the first. The caller says what is gone (`tellGone`) before anybody runs. */
  offer(index: number, hash: number): GonePage {
    const frame = BigInt(this.#pages[index] ?? UNTOUCHED)
    assert(this.canShare(index) && this.#shared !== null, "a page that is offered is its own")
    this.#shared.begin(frame, hash, { memory: this, index })
    this.#setShared(index, 1)
    return { page: FIRST_PAGE + BigInt(index), frame }
  }

  /** It lies in this frame of equal pages from now on, and its own is free. The caller has compared them, and says what is gone before anybody runs. */
  join(index: number, frame: bigint): GonePage {
    const own = BigInt(this.#pages[index] ?? UNTOUCHED)
    assert(this.canShare(index) && this.#shared !== null, "a page that joins others has left a frame of its own")
    this.#shared.join(frame, { memory: this, index })
    this.#pages[index] = Number(frame)
    this.#setShared(index, 1)
    this.#frames.release(own)
    return { page: FIRST_PAGE + BigInt(index), frame: own }
  }

  tellGone(gone: readonly GonePage[]): void {
    if (gone.length > 0) this.#onGone(gone)
  }

  /** Pages that lie in frames of equal pages. */
  pagesShared(): number {
    return this.#pagesShared
  }

  /** For audits: does a page lie there? */
  hasFrame(machinePage: bigint): boolean {
    return this.#pages.includes(Number(machinePage))
  }

  /** Could it lose its frame? */
  canGoOut(index: number): boolean {
    return (this.#pages[index] ?? UNTOUCHED) >= 0 && !this.#kept.has(index) && this.#rights === null
  }

  /** Pages that lie in its frame, itself among them. */
  sharersOf(index: number): number {
    return this.#isShared[index] === 1 ? (this.#shared?.usersOf(BigInt(this.#pages[index] ?? UNTOUCHED)) ?? 1) : 1
  }

  /** All pages that lie in its frame, itself among them. */
  together(index: number): readonly PageOf[] {
    if (this.#isShared[index] !== 1) return [{ memory: this, index }]
    return this.#shared?.pagesIn(BigInt(this.#pages[index] ?? UNTOUCHED)) ?? []
  }

  /** Was it used since it was asked last? Who uses it from now on must come by again: `hide`. */
  takeUse(index: number): boolean {
    const used = this.#used[index] === 1
    this.#used[index] = 0
    return used
  }

  /** Nobody has a way to these pages until they are used again; they stay where they are. */
  hide(indices: readonly number[]): void {
    this.tellGone(
      indices
        .map((index) => ({ index, frame: this.#pages[index] ?? UNTOUCHED }))
        .filter(({ frame }) => frame >= 0)
        .map(({ index, frame }) => ({ page: FIRST_PAGE + BigInt(index), frame: BigInt(frame) })),
    )
  }

  /** It lies in the swap store from now on. False: that is full. */
  swapOut(index: number): boolean {
    const frame = this.#pages[index] ?? UNTOUCHED
    assert(frame >= 0 && this.#swap !== null, "what goes out has a frame")
    const slot = this.#swap.takeOut(this.copyOf(index))
    if (slot === null) return false
    this.#copied?.changed(index, frame)
    this.#onGone([{ page: FIRST_PAGE + BigInt(index), frame: BigInt(frame) }])
    this.#letGo(index, frame)
    this.#pages[index] = SWAPPED
    this.#slots.set(index, slot)
    return true
  }

  /** Pages that have come in again, so far. */
  get broughtIn(): number {
    return this.#broughtIn
  }

  /** Pages that were used and have no frame. */
  pagesSwapped(): number {
    return this.#slots.size
  }

  /** Has anything ever been there, whether it has a frame or not? */
  isTouched(page: bigint): boolean {
    return this.isResident(page) || this.#slots.has(Number(page - FIRST_PAGE))
  }

  /** Pages that have a frame. */
  pagesResident(): number {
    return this.#pages.reduce((count, page) => (page >= 0 ? count + 1 : count), 0)
  }

  /** Is it RAM that the guest has given back? */
  isOut(page: bigint): boolean {
    return this.#pages[Number(page - FIRST_PAGE)] === OUT
  }

  /** The guest gives a page back: its frame is free, and nothing is there or leads there. False: it is no page of RAM, or out already. */
  takeOut(page: bigint): boolean {
    const index = Number(page - FIRST_PAGE)
    const known = this.#pages[index]
    if (known === undefined || known === OUT) return false
    if (known >= 0) {
      this.#copied?.changed(index, known)
      // First every way there, then the frame: between the two it is nobody's.
      this.#onGone([{ page, frame: BigInt(known) }])
      this.#letGo(index, known)
    }
    if (known === SWAPPED) this.#dropSlot(index)
    this.#pages[index] = OUT
    return true
  }

  /** The same by number from the start of RAM. */
  takeOutPage(index: number): boolean {
    return this.takeOut(FIRST_PAGE + BigInt(index))
  }

  /** Pages that the guest has given back, by number from the start of RAM. */
  outPages(): readonly number[] {
    return this.#numbers((page) => page === OUT)
  }

  #numbers(isWanted: (page: number, index: number) => boolean): readonly number[] {
    const numbers: number[] = []
    for (const [index, page] of this.#pages.entries()) if (isWanted(page, index)) numbers.push(index)
    return numbers
  }

  /** Somebody copies the memory while the guest runs: from now on `changedPages` are those of which there is no good copy. */
  beginCopy(): void {
    assert(this.#copied === null, "a memory is copied once at a time")
    this.#copied = new CopiedPages(this.#engine, this.#pages.length)
  }

  /** Pages that must be copied (again), by number from the start of RAM; what is all zeros and was never sent is none. */
  changedPages(): readonly number[] {
    const copied = this.#copied
    assert(copied !== null, "a copy has begun")
    return this.#numbers((page, index) => {
      if (page === OUT || copied.isSame(index)) return false
      if (copied.hasCopy(index)) return true
      return page !== UNTOUCHED && holdsAnything(this.copyOf(index))
    })
  }

  /** It is copied now: none of `changedPages` until somebody writes to it. */
  markCopied(index: number): void {
    const page = this.#pages[index] ?? UNTOUCHED
    this.#copied?.copied(index, page >= 0 ? page : null)
  }

  /** The page as it is now. Asking does not touch it. */
  copyOf(index: number): Uint8Array {
    const page = this.#pages[index] ?? UNTOUCHED
    if (page >= 0) return this.#engine.readMemory(BigInt(page) << PAGE_SHIFT, PAGE_BYTES)
    const slot = this.#slots.get(index)
    return slot === undefined || this.#swap === null ? new Uint8Array(PAGE_BYTES) : this.#swap.read(slot)
  }

  /** Nobody copies it any more: the CPUs may do with its frames what they could before. */
  endCopy(): void {
    const copied = this.#copied
    this.#copied = null
    if (copied !== null) this.#pages.forEach((page, index) => (page >= 0 ? copied.changed(index, page) : undefined))
  }

  /** The CPUs may not write to the frame of this machine address: is that because of a copy? They may now. */
  onStore(address: bigint): boolean {
    const frame = Number(address >> PAGE_SHIFT)
    const index = this.#pages.indexOf(frame)
    if (this.#copied?.isSame(index) !== true) return false
    this.#copied.changed(index, frame)
    return true
  }

  writePage(index: number, data: Uint8Array): void {
    assert(data.length === PAGE_BYTES, "a page is written whole")
    this.write((FIRST_PAGE + BigInt(index)) << PAGE_SHIFT, data)
  }

  /** The guest takes it back: it will hold zeros. False: it was not out. */
  bringBack(page: bigint): boolean {
    if (!this.isOut(page)) return false
    this.#pages[Number(page - FIRST_PAGE)] = UNTOUCHED
    return true
  }

  /** Has it a frame? Asking does not touch it. */
  isResident(page: bigint): boolean {
    return (this.#pages[Number(page - FIRST_PAGE)] ?? -1) >= 0
  }

  read64(address: bigint): bigint | null {
    const machine = this.#machine(address, WORD_BYTES)
    if (machine === null) return null
    const bytes = this.#engine.readMemory(machine, WORD_BYTES)
    return new DataView(bytes.buffer).getBigUint64(0, true)
  }

  /** Was there a page to write to? */
  write64(address: bigint, value: bigint): boolean {
    if (this.#machine(address, WORD_BYTES) === null) return false
    const bytes = new Uint8Array(WORD_BYTES)
    new DataView(bytes.buffer).setBigUint64(0, value, true)
    this.write(address, bytes)
    return true
  }

  /** Without telling the observer: where nothing can have been derived from what was there, or still holds (accessed and dirty bits, which the walk writes). */
  writeEntry(address: bigint, value: bigint): void {
    const page = this.writablePage(address >> PAGE_SHIFT)
    assert(page !== null && (address & OFFSET_MASK) <= BigInt(PAGE_BYTES - WORD_BYTES), "an entry that was read can be written")
    const bytes = new Uint8Array(WORD_BYTES)
    new DataView(bytes.buffer).setBigUint64(0, value, true)
    this.#written(address >> PAGE_SHIFT, page)
    this.#engine.writeMemory((page << PAGE_SHIFT) | (address & OFFSET_MASK), bytes)
  }

  /** The range must lie inside the guest's RAM: ask `contains` first. What is out reads as zeros. */
  read(address: bigint, bytes: number): Uint8Array {
    assert(this.contains(address, bytes), "the range is the guest's RAM")
    const data = new Uint8Array(bytes)
    for (const { at, from, count } of pieces(address, bytes)) {
      const page = this.machinePage(at >> PAGE_SHIFT)
      if (page === null) continue
      data.set(this.#engine.readMemory((page << PAGE_SHIFT) | (at & OFFSET_MASK), count), from)
    }
    return data
  }

  /** What is out takes no writes. */
  write(address: bigint, data: Uint8Array): void {
    assert(this.contains(address, data.length), "the range is the guest's RAM")
    for (const { at, from, count } of pieces(address, data.length)) {
      const page = this.writablePage(at >> PAGE_SHIFT)
      if (page === null) continue
      this.#written(at >> PAGE_SHIFT, page)
      this.#engine.writeMemory((page << PAGE_SHIFT) | (at & OFFSET_MASK), data.subarray(from, from + count))
      this.#onWrite(at >> PAGE_SHIFT)
    }
  }

  /** Gives every frame back: the VM is gone. */
  releaseAll(): void {
    this.endCopy()
    this.#pages.forEach((page, index) => {
      if (page >= 0) this.#letGo(index, page)
      if (page === SWAPPED) this.#dropSlot(index)
      this.#pages[index] = UNTOUCHED
    })
    this.#swap?.forget(this)
  }

  #touch(index: number): void {
    this.#used[index] = 1
    this.#swap?.noteUse(this, index)
  }

  #bringIn(index: number): bigint {
    const [swap, slot] = [this.#swap, this.#slots.get(index)]
    assert(swap !== null && slot !== undefined, "a page that is swapped lies in the store")
    // Its room first: when the store is full, whatever makes place for it goes there.
    const bytes = swap.bringIn(slot)
    this.#broughtIn += 1
    this.#slots.delete(index)
    this.#pages[index] = UNTOUCHED
    const frame = this.#frames.allocate(this.#owner)
    assert(frame !== null, "a node promises no more pages than it has frames and room for")
    this.#engine.writeMemory(frame << PAGE_SHIFT, bytes)
    this.#pages[index] = Number(frame)
    this.#copied?.changed(index, Number(frame))
    return frame
  }

  #dropSlot(index: number): void {
    const slot = this.#slots.get(index)
    assert(slot !== undefined, "a page that is swapped lies in the store")
    this.#swap?.drop(slot)
    this.#slots.delete(index)
  }

  #setShared(index: number, shared: 0 | 1): void {
    this.#pagesShared += shared - (this.#isShared[index] ?? 0)
    this.#isShared[index] = shared
  }

  #letGo(index: number, frame: number): void {
    this.#rights?.taken(frame)
    this.#engine.watchPage(BigInt(frame) << PAGE_SHIFT, "unwatched")
    if (this.#isShared[index] === 1) this.#shared?.leave(BigInt(frame), { memory: this, index })
    else this.#frames.release(BigInt(frame))
    this.#setShared(index, 0)
  }

  /** It is about to be written: a frame of its own, with what it holds. */
  #unshare(index: number): bigint {
    const shared = this.#shared
    const frame = this.#pages[index]
    assert(shared !== null && frame !== undefined, "what is shared lies in a frame of equal pages")
    this.#copied?.changed(index, frame)
    this.#onGone([{ page: FIRST_PAGE + BigInt(index), frame: BigInt(frame) }])
    const own = shared.takeOut(BigInt(frame), this.#owner, { memory: this, index })
    this.#unshared += 1
    this.#timesUnshared[index] = Math.min(255, this.timesUnshared(index) + 1)
    this.#pages[index] = Number(own)
    this.#setShared(index, 0)
    return own
  }

  /** The host writes there itself: the rights of CPUs do not hold it up. */
  #written(page: bigint, frame: bigint): void {
    this.#copied?.changed(Number(page - FIRST_PAGE), Number(frame))
  }

  #machine(address: bigint, bytes: number): bigint | null {
    if ((address & OFFSET_MASK) > BigInt(PAGE_BYTES - bytes)) return null
    const page = this.machinePage(address >> PAGE_SHIFT)
    return page === null ? null : (page << PAGE_SHIFT) | (address & OFFSET_MASK)
  }
}
