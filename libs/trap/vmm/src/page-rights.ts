/**
 * What the CPUs of this node may do with each page of a VM whose memory other nodes share, by the rights of the frame that it lies in.
 *
 * The engine sees to it that no look-up and no decoded code allows more (`Engine.setFrameRights`), so the second stage need not be changed: an access
 * that needs more leaves with `frame`. A page without a frame has its rights all the same: the frame gets them with its first touch.
 * R1: the rights of a frame are those of its page, and are given back before it is anybody else's.
 */
import { assert } from "@backplane/foundation-base/assert"
import type { Engine, FrameRights } from "@backplane/compute-contract/engine"
import { PAGE_SHIFT } from "./machine-frames.ts"

const ORDER: readonly FrameRights[] = ["none", "read", "write"]

export class PageRights {
  readonly #engine: Engine
  /** By page from the beginning of the guest's RAM: place in `ORDER`. */
  readonly #rights: Uint8Array
  /** Machine page number → page. */
  readonly #pages = new Map<number, number>()

  constructor(engine: Engine, pages: number) {
    this.#engine = engine
    this.#rights = new Uint8Array(pages)
  }

  /** The page lies in that frame from now on. */
  given(page: number, frame: number): void {
    this.#pages.set(frame, page)
    this.#apply(frame, this.of(page))
  }

  /** The frame is about to be somebody else's. */
  taken(frame: number): void {
    this.#pages.delete(frame)
    this.#apply(frame, "write")
  }

  /** `frame`: below zero where it has none. */
  set(page: number, frame: number, rights: FrameRights): void {
    this.#rights[page] = ORDER.indexOf(rights)
    if (frame >= 0) this.#apply(frame, rights)
  }

  of(page: number): FrameRights {
    return ORDER[this.#rights[page] ?? 0] ?? "none"
  }

  /** The page in the frame of this machine address. */
  pageAt(address: bigint): number {
    const page = this.#pages.get(Number(address >> PAGE_SHIFT))
    assert(page !== undefined, "R1: a frame whose rights are short holds a page of this VM")
    return page
  }

  #apply(frame: number, rights: FrameRights): void {
    this.#engine.setFrameRights(BigInt(frame) << PAGE_SHIFT, rights)
  }
}
