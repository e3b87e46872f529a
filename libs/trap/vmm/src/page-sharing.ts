/**
 * Finds equal pages of a node's VMs and has them lie in one frame: goes round all pages, so many at a time, and compares.
 *
 * A page is looked at twice before it is shared: what was written between two looks would be written again, and a shared page that is written costs an exit and a copy
 * (Linux's KSM decides alike). One that was written after it was shared is looked at in every second round only, then in every fourth, at last never: a vCPU whose exits take
 * long, over the bus, would find it shared again each time before its store is done. By hash first, then by every byte. Pages of zeros are equal pages like others. When it looks is the caller's: a pure function of what it is told.
 * Not here: the frames (shared-frames.ts), which ways lead to them (physical-map.ts).
 */
import { hashOfPage } from "@backplane/foundation-base/page-hash"
import { isEqual, type SharedFrames } from "./shared-frames.ts"
import type { GonePage } from "./guest-mmu.ts"
import type { PhysicalMap } from "./physical-map.ts"

/** No hash is that: it has not been looked at. */
const UNKNOWN = -1

/** A page that was shared in vain so often is left alone. As in memory/controller. */
export const VAIN_MAX = 8

interface Candidate {
  readonly memory: PhysicalMap
  readonly index: number
}

export class PageSharing {
  readonly #shared: SharedFrames
  readonly #memories: () => readonly PhysicalMap[]
  /** By page: its hash when it was looked at last. */
  readonly #seen = new WeakMap<PhysicalMap, Float64Array>()
  /** Of this round: pages that did not change and are equal to none so far, by hash. */
  readonly #alone = new Map<number, Candidate>()
  /** Where it stands: in the memory at this place in the list, before this page. */
  #memory = 0
  #page = 0
  /** Times that it has gone round. */
  #rounds = 0

  constructor(shared: SharedFrames, memories: () => readonly PhysicalMap[]) {
    this.#shared = shared
    this.#memories = memories
  }

  /** Looks at the next so many pages that could be shared, at most once at each. The number that came to lie with others. */
  look(pagesMax: number): number {
    const gone = new Map<PhysicalMap, GonePage[]>()
    const note = (memory: PhysicalMap, page: GonePage): void => {
      const pages = gone.get(memory)
      if (pages === undefined) gone.set(memory, [page])
      else pages.push(page)
    }
    const memories = this.#memories()
    let left = memories.reduce((sum, { pages }) => sum + pages, 0)
    let joined = 0
    for (let looked = 0; looked < pagesMax && left > 0; left--) {
      const at = this.#next(memories)
      if (at === null || !at.memory.canShare(at.index) || !this.#isDue(at)) continue
      looked += 1
      if (this.#lookAt(at, note)) joined += 1
    }
    // Nobody has run since: the ways go before anybody does.
    for (const [memory, pages] of gone) memory.tellGone(pages)
    return joined
  }

  #next(memories: readonly PhysicalMap[]): Candidate | null {
    const memory = memories[this.#memory]
    if (memory === undefined) {
      this.#memory = 0
      this.#page = 0
      this.#alone.clear()
      this.#rounds += 1
      return null
    }
    const index = this.#page
    this.#page += 1
    if (this.#page < memory.pages) return { memory, index }
    this.#memory += 1
    this.#page = 0
    return { memory, index }
  }

  #isDue({ memory, index }: Candidate): boolean {
    const vain = memory.timesUnshared(index)
    return vain < VAIN_MAX && this.#rounds % 2 ** vain === 0
  }

  #lookAt({ memory, index }: Candidate, note: (memory: PhysicalMap, page: GonePage) => void): boolean {
    const bytes = memory.copyOf(index)
    const hash = hashOfPage(bytes)
    const seen = this.#seenOf(memory)
    const isStill = seen[index] === hash
    seen[index] = hash
    if (!isStill) return false
    const frame = this.#shared.find(hash, bytes) ?? this.#begin(hash, bytes, note)
    if (frame === null) this.#alone.set(hash, { memory, index })
    else note(memory, memory.join(index, frame))
    return frame !== null
  }

  /** The frame of an equal page that was alone until now. */
  #begin(hash: number, bytes: Uint8Array, note: (memory: PhysicalMap, page: GonePage) => void): bigint | null {
    const other = this.#alone.get(hash)
    if (other === undefined || !other.memory.canShare(other.index) || !isEqual(other.memory.copyOf(other.index), bytes)) return null
    this.#alone.delete(hash)
    const offered = other.memory.offer(other.index, hash)
    note(other.memory, offered)
    return offered.frame
  }

  #seenOf(memory: PhysicalMap): Float64Array {
    const seen = this.#seen.get(memory) ?? new Float64Array(memory.pages).fill(UNKNOWN)
    this.#seen.set(memory, seen)
    return seen
  }
}
