/**
 * Which pages of a node's VMs lose their frames when frames are short, and to where: a clock over all pages, and a store with room for so many.
 *
 * The clock (Corbató 1969; as VMS and Mach do it, without bits of the hardware): its hand takes a page's ways away, so that the next use comes to the VMM (`noteUse`), and takes the page out when
 * it comes round and nobody has come. Synchronous, as the engine is: a page is in the store when the call returns. Frames are promised so that there is always room (vmm.ts, M1), so
 * that a page can always go out or come in.
 * W2 A page that was handed out to the VMM a moment ago (`RECENT`) stays: whoever installs a way to it can rely on it.
 */
import { assert } from "@backplane/foundation-base/assert"
import type { MachineFrames } from "./machine-frames.ts"
import type { PhysicalMap } from "./physical-map.ts"

/** Where pages without a frame lie: synchronous, as large as it says. Equal pages may take one slot there. */
export interface SwapStore {
  /** Null: it is full. */
  put(bytes: Uint8Array): number | null
  read(slot: number): Uint8Array
  release(slot: number): void
}

export interface SwapCounts {
  /** Pages that lie in the store. */
  readonly pages: number
  readonly slots: number
  readonly outs: number
  readonly ins: number
}

/** Pages handed out last, which stay: more than one fault, one entry of a list or one piece of a transfer needs. */
const RECENT = 16
/** Pages that are taken out at once where a frame is needed now. */
const AT_ONCE = 32
/** Rounds of the hand until it is clear that nothing can go: one takes the ways, the next takes pages. */
const ROUNDS_MAX = 3

interface Used {
  readonly memory: PhysicalMap
  readonly index: number
}

export class FrameSwap {
  readonly #store: SwapStore
  readonly #slots: number
  readonly #frames: MachineFrames
  readonly #memories: () => readonly PhysicalMap[]
  readonly #recent: Used[] = []
  /** Where the hand stands. */
  #memory = 0
  #page = 0
  #pages = 0
  #outs = 0
  #ins = 0

  constructor(options: {
    readonly store: SwapStore
    readonly slots: number
    readonly frames: MachineFrames
    readonly memories: () => readonly PhysicalMap[]
  }) {
    this.#store = options.store
    this.#slots = options.slots
    this.#frames = options.frames
    this.#memories = options.memories
  }

  /** The VMM uses a page now: it has a frame, or gets one. */
  noteUse(memory: PhysicalMap, index: number): void {
    const at = this.#recent.findIndex((used) => used.index === index && used.memory === memory)
    if (at >= 0) this.#recent.splice(at, 1)
    else if (this.#recent.length >= RECENT) this.#recent.shift()
    this.#recent.push({ memory, index })
  }

  /** The VM is gone. */
  forget(memory: PhysicalMap): void {
    const left = this.#recent.filter((used) => used.memory !== memory)
    this.#recent.splice(0, this.#recent.length, ...left)
  }

  /** Puts a page away. Null: the store is full. */
  takeOut(bytes: Uint8Array): number | null {
    const slot = this.#store.put(bytes)
    if (slot === null) return null
    this.#pages += 1
    this.#outs += 1
    return slot
  }

  /** Its bytes, and its room is free: it has a frame from now on. */
  bringIn(slot: number): Uint8Array {
    const bytes = this.#store.read(slot)
    this.drop(slot)
    this.#ins += 1
    return bytes
  }

  read(slot: number): Uint8Array {
    return this.#store.read(slot)
  }

  /** Nobody wants it any more. */
  drop(slot: number): void {
    this.#store.release(slot)
    this.#pages -= 1
  }

  /** A frame is needed now: some are made free, if any can be. */
  makeRoom(): void {
    this.reclaim(AT_ONCE)
  }

  /** Takes pages out until so many frames are free. The number that went. */
  reclaim(free: number): number {
    const memories = this.#memories()
    let left = ROUNDS_MAX * memories.reduce((sum, { pages }) => sum + pages, 0)
    const before = this.#outs
    const idle = new Map<PhysicalMap, number[]>()
    for (; left > 0 && this.#frames.free() < free; left--) {
      const at = this.#next(memories)
      if (at === null || !at.memory.canGoOut(at.index) || this.#isRecent(at)) continue
      if (at.memory.takeUse(at.index)) idle.set(at.memory, [...(idle.get(at.memory) ?? []), at.index])
      // One that finds no room may be followed by one that does: an equal page takes none.
      else at.memory.swapOut(at.index)
      // What was used is out of reach before the hand can come back to it.
      if (this.#page === 0) this.#hide(idle)
    }
    this.#hide(idle)
    return this.#outs - before
  }

  counts(): SwapCounts {
    return { pages: this.#pages, slots: this.#slots, outs: this.#outs, ins: this.#ins }
  }

  #hide(idle: Map<PhysicalMap, number[]>): void {
    for (const [memory, pages] of idle) memory.hide(pages)
    idle.clear()
  }

  #isRecent({ memory, index }: Used): boolean {
    return this.#recent.some((used) => used.index === index && used.memory === memory)
  }

  #next(memories: readonly PhysicalMap[]): Used | null {
    const memory = memories[this.#memory]
    if (memory === undefined) {
      assert(this.#page === 0, "the hand begins anew at a first page")
      this.#memory = 0
      return null
    }
    const index = this.#page
    if (index >= memory.pages) {
      this.#page = 0
      this.#memory += 1
      return null
    }
    this.#page += 1
    if (this.#page === memory.pages) {
      this.#page = 0
      this.#memory += 1
    }
    return { memory, index }
  }
}
