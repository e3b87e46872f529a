/**
 * Frames in which equal pages lie, of one VM or of several: read by all who have a page there, written by nobody (copy on write).
 *
 * Disco's transparent sharing, found by content as ESX Server does (Waldspurger, "Memory resource management in VMware ESX Server", OSDI 2002, section 4). Not here: which
 * pages are equal (page-sharing.ts), and who must forget the way to a frame (physical-map.ts).
 * H1 A frame in here holds the same bytes from its first page to its last. H2 It has as many users as there are pages in it, and goes back to the node with the last.
 */
import { assert } from "@backplane/foundation-base/assert"
import { PAGE_BYTES, PAGE_SHIFT, type MachineFrames } from "./machine-frames.ts"
import type { Engine } from "@backplane/compute-contract/engine"
import type { PhysicalMap } from "./physical-map.ts"

/** A page of a VM's memory, by its number there. */
export interface PageOf {
  readonly memory: PhysicalMap
  readonly index: number
}

interface Shared {
  /** Pages that lie in it; at least one. */
  users: number
  readonly hash: number
  /** Which they are. */
  readonly pages: Map<PhysicalMap, Set<number>>
}

export interface SharingCounts {
  /** Frames that equal pages lie in, and those pages. */
  readonly frames: number
  readonly pages: number
  /** Frames that would be in use besides, were nothing shared. */
  readonly saved: number
  /** Pages that were written and have a frame of their own again, since the beginning. */
  readonly broken: number
}

export class SharedFrames {
  readonly #engine: Engine
  readonly #frames: MachineFrames
  /** By machine page. */
  readonly #shared = new Map<bigint, Shared>()
  readonly #byHash = new Map<number, bigint[]>()
  #broken = 0

  constructor(engine: Engine, frames: MachineFrames) {
    this.#engine = engine
    this.#frames = frames
  }

  /** The frame that holds these bytes; null: none does. The hash is a hint, the bytes decide. */
  find(hash: number, bytes: Uint8Array): bigint | null {
    return this.#byHash.get(hash)?.find((frame) => isEqual(this.#read(frame), bytes)) ?? null
  }

  /** A VM's own frame, with one page in it. */
  begin(frame: bigint, hash: number, { memory, index }: PageOf): void {
    this.#frames.passOn(frame, "shared")
    this.#shared.set(frame, { users: 1, hash, pages: new Map([[memory, new Set([index])]]) })
    this.#byHash.set(hash, [...(this.#byHash.get(hash) ?? []), frame])
  }

  join(frame: bigint, { memory, index }: PageOf): void {
    const shared = this.#of(frame)
    shared.users += 1
    const pages = shared.pages.get(memory)
    if (pages === undefined) shared.pages.set(memory, new Set([index]))
    else pages.add(index)
  }

  /** A page lies there no more. */
  leave(frame: bigint, { memory, index }: PageOf): void {
    const shared = this.#of(frame)
    shared.users -= 1
    shared.pages.get(memory)?.delete(index)
    if (shared.users > 0) return
    this.#forget(frame, shared)
    this.#frames.release(frame)
  }

  /** A page is about to be written: what it held, in a frame that is its VM's. The last one keeps the frame. */
  takeOut(frame: bigint, owner: number, page: PageOf): bigint {
    this.#broken += 1
    const shared = this.#of(frame)
    if (shared.users === 1) {
      this.#forget(frame, shared)
      this.#frames.passOn(frame, owner)
      return frame
    }
    const own = this.#frames.allocate(owner)
    assert(own !== null, "memory for every page of a VM was kept free when it was made")
    this.#engine.writeMemory(own << PAGE_SHIFT, this.#read(frame))
    this.leave(frame, page) // others may have left it meanwhile: making room takes pages out
    return own
  }

  /** Pages that lie in this frame. */
  usersOf(frame: bigint): number {
    return this.#shared.get(frame)?.users ?? 0
  }

  /** Those pages. */
  pagesIn(frame: bigint): readonly PageOf[] {
    const pages = this.#shared.get(frame)?.pages ?? NO_PAGES
    return [...pages].flatMap(([memory, indices]) => [...indices].map((index) => ({ memory, index })))
  }

  counts(): SharingCounts {
    let pages = 0
    for (const { users } of this.#shared.values()) pages += users
    const frames = this.#shared.size
    return { frames, pages, saved: pages - frames, broken: this.#broken }
  }

  #of(frame: bigint): Shared {
    const shared = this.#shared.get(frame)
    assert(shared !== undefined, "equal pages lie in a frame of this node's")
    return shared
  }

  #forget(frame: bigint, { hash }: Shared): void {
    this.#shared.delete(frame)
    const others = (this.#byHash.get(hash) ?? []).filter((each) => each !== frame)
    if (others.length > 0) this.#byHash.set(hash, others)
    else this.#byHash.delete(hash)
  }

  #read(frame: bigint): Uint8Array {
    return this.#engine.readMemory(frame << PAGE_SHIFT, PAGE_BYTES)
  }
}

const NO_PAGES: ReadonlyMap<PhysicalMap, ReadonlySet<number>> = new Map()

/** Pages, both whole and at the start of a word. */
export function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  const [these, those] = [wordsOf(left), wordsOf(right)]
  // Written out: `every` takes several times as long, and this is most of what a look at a page costs.
  for (let index = 0; index < these.length; index++) if (these[index] !== those[index]) return false
  return true
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / Uint32Array.BYTES_PER_ELEMENT)
}
