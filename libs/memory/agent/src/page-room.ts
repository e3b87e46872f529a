/**
 * Room for copies of pages that go out together: one behind the other, as they go in one message (page-runs.ts), so that each is copied once. Alone,
 * each would be an allocation, and all of them once more: their garbage costs more than the copies.
 */
import { RUN_PAGES_MAX } from "@backplane/memory-contract/coherence-messages"

const PAGE_BYTES = 4096

export class PageRoom {
  /** Pages that may still be asked for. */
  #left: number
  #bytes = new Uint8Array(0)
  #used = 0

  constructor(pages: number) {
    this.#left = pages
  }

  /** For one more page; undefined: there is none left. */
  next(): Uint8Array | undefined {
    if (this.#left <= 0) return undefined
    if (this.#used === this.#bytes.length) {
      // As much as one message may carry, and no more than will be used.
      this.#bytes = new Uint8Array(Math.min(this.#left, RUN_PAGES_MAX.bytes) * PAGE_BYTES)
      this.#used = 0
    }
    this.#left -= 1
    this.#used += PAGE_BYTES
    return this.#bytes.subarray(this.#used - PAGE_BYTES, this.#used)
  }
}

/** Whole pages as one: a view where they lie one behind the other in the same memory, else a copy. */
export function joinedPages(pages: readonly Uint8Array[]): Uint8Array {
  const [first] = pages
  const follow = (page: Uint8Array, index: number): boolean =>
    page.buffer === first?.buffer && page.byteOffset === first.byteOffset + index * PAGE_BYTES && page.length === PAGE_BYTES
  if (first !== undefined && pages.every(follow)) return new Uint8Array(first.buffer, first.byteOffset, pages.length * PAGE_BYTES)
  const bytes = new Uint8Array(pages.length * PAGE_BYTES)
  pages.forEach((page, index) => {
    bytes.set(page, index * PAGE_BYTES)
  })
  return bytes
}
