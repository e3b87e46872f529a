/**
 * Which pages of a node's VMs lose their frames when frames are short, and to where: a clock over all pages, and a store with room for so many.
 *
 * The clock (Corbató 1969; as VMS and Mach do it, without bits of the hardware): its hand takes a page's ways away, so that the next use comes to the VMM (`noteUse`), and takes the page out when
 * it comes round and nobody has come. Synchronous, as the engine is: a page is in the store when the call returns. Frames are promised so that there is always room (vmm.ts, M1), so
 * that a page can always go out or come in.
 * W2 A page that was handed out to the VMM a moment ago (`RECENT`) stays: whoever installs a way to it can rely on it.
 */
import type { MachineFrames } from "./machine-frames.ts"
import type { PhysicalMap } from "./physical-map.ts"
import type { PageOf } from "./shared-frames.ts"
import type { WorkLimit } from "./vm-types.ts"
import { HIDE_UNITS, PAGE_UNITS, type WorkMeter } from "./work-meter.ts"

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
/** Pages that the hand passes because they were used, in one go: who needs a frame now gets that of the next one, used or not. */
const PASSED_MAX = 4096
/** A step of the hand, in units of work-meter.ts. */
const STEP_UNITS = 30
/**
 * Rounds of the hand until it is clear that nothing can go: one takes the ways, the next takes pages. All pages of a frame of equal ones would have to go for it: of how many pages
 * it may be, by round. Where only such frames are left, one is made free, no more.
 */
const SHARERS_MAX = [8, 8, 64, 1024, Infinity]
const ROUNDS_OF_MANY = 2

export class FrameSwap {
  readonly #store: SwapStore
  readonly #slots: number
  readonly #frames: MachineFrames
  readonly #memories: () => readonly PhysicalMap[]
  readonly #work: WorkMeter
  readonly #recent: PageOf[] = []
  /** Where the hand stands. */
  #memory = 0
  #page = 0
  #pages = 0
  #outs = 0
  #outsTaken = 0
  #ins = 0

  constructor(options: {
    readonly store: SwapStore
    readonly slots: number
    readonly frames: MachineFrames
    readonly memories: () => readonly PhysicalMap[]
    /** Told of every page that goes or comes. */
    readonly work: WorkMeter
  }) {
    this.#store = options.store
    this.#slots = options.slots
    this.#frames = options.frames
    this.#memories = options.memories
    this.#work = options.work
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
    this.#work.page()
    return slot
  }

  /** Its bytes, and its room is free: it has a frame from now on. */
  bringIn(slot: number): Uint8Array {
    const bytes = this.#store.read(slot)
    this.drop(slot)
    this.#ins += 1
    this.#work.page()
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

  /**
   * Takes pages out until so many frames are free. The number that went. With `work` it ends when it has cost so much, and takes what nobody uses; without, it goes on until
   * they are free or nothing can go.
   */
  reclaim(free: number, { work = Infinity }: WorkLimit = {}): number {
    const memories = this.#memories()
    const round = Math.max(
      1,
      memories.reduce((sum, { pages }) => sum + pages, 0),
    )
    const before = this.#outs
    const idle = new Map<PhysicalMap, number[]>()
    let passed = 0
    let worked = 0
    for (let step = 0; step < SHARERS_MAX.length * round && worked < work; step++) {
      const turn = Math.floor(step / round)
      if (this.#frames.free() >= (turn < ROUNDS_OF_MANY ? free : 1)) break
      worked += STEP_UNITS
      const at = this.#next(memories)
      if (at === null || !at.memory.canGoOut(at.index) || at.memory.sharersOf(at.index) > (SHARERS_MAX[turn] ?? Infinity)) continue
      // Equal pages go together: the frame is free with the last of them.
      const pages = at.memory.together(at.index)
      if (pages.some((page) => !page.memory.canGoOut(page.index) || this.#isRecent(page))) continue
      const used = pages.filter((page) => page.memory.takeUse(page.index))
      if (used.length > 0 && (passed < PASSED_MAX || work < Infinity)) {
        passed += used.length
        worked += used.length * HIDE_UNITS
        for (const page of used) addTo(idle, page)
      } else {
        // One that finds no room may be followed by one that does: an equal page takes none.
        for (const page of pages) page.memory.swapOut(page.index)
        worked += pages.length * PAGE_UNITS
      }
      // What was used is out of reach before the hand can come back to it.
      if (this.#page === 0) this.#hide(idle)
    }
    this.#hide(idle)
    return this.#outs - before
  }

  /** Pages that went out since this was asked last. */
  takeOuts(): number {
    const fresh = this.#outs - this.#outsTaken
    this.#outsTaken = this.#outs
    return fresh
  }

  counts(): SwapCounts {
    return { pages: this.#pages, slots: this.#slots, outs: this.#outs, ins: this.#ins }
  }

  #hide(idle: Map<PhysicalMap, number[]>): void {
    for (const [memory, pages] of idle) {
      memory.hide(pages)
      this.#work.hidden(pages.length)
    }
    idle.clear()
  }

  #isRecent({ memory, index }: PageOf): boolean {
    return this.#recent.some((used) => used.index === index && used.memory === memory)
  }

  #next(memories: readonly PhysicalMap[]): PageOf | null {
    const memory = memories[this.#memory]
    if (memory === undefined) {
      // Behind the last, or in the middle of one that is gone.
      this.#memory = 0
      this.#page = 0
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

function addTo(pages: Map<PhysicalMap, number[]>, { memory, index }: PageOf): void {
  const known = pages.get(memory)
  if (known === undefined) pages.set(memory, [index])
  else known.push(index)
}
