/**
 * Which pages of a VM are still as they were when they were copied, while the guest runs on: log-dirty mode (Clark and others, "Live migration of virtual
 * machines", NSDI 2005, section 4.2), by the rights that CPUs have to frames.
 *
 * A page that was copied may only be read. The first store into it, or the first A or D bit that a walk sets there, leaves the engine with `frame`; the page is as
 * good as never copied then, its frame may be written again, and the instruction is done once more. So a page costs an exit for each copy, and nothing in between.
 * C1 A frame whose rights were taken belongs to a page of this VM that is in here: they are given back before the frame is anybody else's.
 */
import type { Engine } from "@backplane/compute-contract/engine"
import { PAGE_SHIFT } from "./machine-frames.ts"

const NEVER = 0
/** It was sent, and may differ by now. */
const CHANGED = 1
const SAME = 2

export class CopiedPages {
  readonly #engine: Engine
  /** By page from the beginning of the guest's RAM. */
  readonly #state: Uint8Array

  constructor(engine: Engine, pages: number) {
    this.#engine = engine
    this.#state = new Uint8Array(pages)
  }

  /** It is being copied now. `frame`: its machine page number; null: there is none, it holds zeros. */
  copied(page: number, frame: number | null): void {
    this.#state[page] = SAME
    if (frame !== null) this.#engine.setFrameRights(BigInt(frame) << PAGE_SHIFT, "read")
  }

  /** It is about to be written, or its frame to be given away. */
  changed(page: number, frame: number): void {
    if (this.#state[page] !== SAME) return
    this.#state[page] = CHANGED
    this.#engine.setFrameRights(BigInt(frame) << PAGE_SHIFT, "write")
  }

  isSame(page: number): boolean {
    return this.#state[page] === SAME
  }

  /** There is a copy somewhere, good or not: that it holds zeros by now has to be said. */
  hasCopy(page: number): boolean {
    return this.#state[page] !== NEVER
  }
}
