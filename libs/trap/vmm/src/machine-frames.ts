/**
 * The frames of the node's memory: who owns each, which are free, which are known to be zero.
 *
 * Not here: which page of which VM lies in a frame (physical-map.ts). A frame goes to its next owner zeroed, always.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import type { Engine } from "@backplane/compute-contract/engine"

export const PAGE_BYTES = 4096
export const PAGE_SHIFT = 12n
const FIRST_PAGE = RAM_BASE >> PAGE_SHIFT
const ZEROS = new Uint8Array(PAGE_BYTES)

/** Whose a frame is: nobody's, the VMM's own (shadow tables), of several equal pages (shared-frames.ts), or a VM's by its number. */
export type FrameOwner = "free" | "vmm" | "shared" | number

export class MachineFrames {
  readonly #engine: Engine
  /** By frame, counted from the first of RAM. */
  readonly #owners: FrameOwner[]
  /** Frames that nobody owns; the last is given away next. */
  readonly #free: number[]
  /** By frame: holds only zeros for sure. RAM begins as zeros. */
  readonly #zero: boolean[]
  #zeroedAgain = 0
  /** Makes frames free where there are none; absent: nobody can. */
  #makeRoom: () => void = () => undefined

  constructor(engine: Engine) {
    this.#engine = engine
    const count = engine.options.memoryBytes / PAGE_BYTES
    this.#owners = new Array<FrameOwner>(count).fill("free")
    this.#zero = new Array<boolean>(count).fill(true)
    this.#free = Array.from({ length: count }, (_, index) => index)
  }

  /** Asked when there is no free frame. */
  observeShortage(makeRoom: () => void): void {
    this.#makeRoom = makeRoom
  }

  free(): number {
    return this.#free.length
  }

  /** Frames that had to be cleared because somebody had used them before. */
  zeroedAgain(): number {
    return this.#zeroedAgain
  }

  /** The machine page number of a frame full of zeros, or null when there is none left. */
  allocate(owner: Exclude<FrameOwner, "free">): bigint | null {
    if (this.#free.length === 0) this.#makeRoom()
    const index = this.#free.pop()
    if (index === undefined) return null
    assert(this.#owners[index] === "free", "a free frame has no owner")
    this.#owners[index] = owner
    const page = FIRST_PAGE + BigInt(index)
    if (this.#zero[index] !== true) {
      this.#engine.writeMemory(page << PAGE_SHIFT, ZEROS)
      this.#zeroedAgain += 1
    }
    this.#zero[index] = false
    return page
  }

  /** What lies in it stays, and is somebody else's from now on. */
  passOn(page: bigint, owner: Exclude<FrameOwner, "free">): void {
    const index = this.#index(page)
    assert(index !== null && this.#owners[index] !== "free", "a frame that is passed on is somebody's")
    this.#owners[index] = owner
  }

  release(page: bigint): void {
    const index = this.#index(page)
    assert(index !== null, "a released frame is RAM")
    assert(this.#owners[index] !== "free", "a released frame was somebody's")
    this.#owners[index] = "free"
    this.#free.push(index)
  }

  /** `null`: no such frame. */
  ownerOf(page: bigint): FrameOwner | null {
    const index = this.#index(page)
    return index === null ? null : defined(this.#owners[index], "every frame has an owner")
  }

  #index(page: bigint): number | null {
    const index = page - FIRST_PAGE
    return index >= 0n && index < BigInt(this.#owners.length) ? Number(index) : null
  }
}
