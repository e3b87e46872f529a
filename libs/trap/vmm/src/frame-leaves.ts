/**
 * Which leaves of a tree lead to a frame: so that a frame can be taken away without looking through the whole tree (reverse mapping).
 *
 * A hint that is never too small: every leaf that leads there is named, and some that did once. Whoever takes leaves out looks at each. What has become
 * void is swept out when there is as much of it as of the rest.
 */
import { defined } from "@backplane/foundation-base/assert"

/** Below that, nothing is swept. */
const NAMED_MIN = 4096
const GROWTH = 2

export class FrameLeaves {
  /** By machine page: addresses, each once. */
  readonly #leaves = new Map<number, Set<number>>()
  #named = 0
  #sweepAt = NAMED_MIN

  /** A leaf leads there from now on. `isLeaf`: is what is named one still? */
  add(machinePage: number, leaf: number, isLeaf: (machinePage: number, leaf: number) => boolean): void {
    const known = this.#leaves.get(machinePage)
    if (known?.has(leaf) === true) return
    if (known === undefined) this.#leaves.set(machinePage, new Set([leaf]))
    else known.add(leaf)
    this.#named += 1
    if (this.#named >= this.#sweepAt) this.#sweep(isLeaf)
  }

  /** All that may lead there; they are forgotten. */
  take(machinePage: number): Iterable<number> {
    const known = this.#leaves.get(machinePage)
    if (known === undefined) return NONE
    this.#leaves.delete(machinePage)
    this.#named -= known.size
    return known
  }

  clear(): void {
    this.#leaves.clear()
    this.#named = 0
    this.#sweepAt = NAMED_MIN
  }

  #sweep(isLeaf: (machinePage: number, leaf: number) => boolean): void {
    for (const machinePage of [...this.#leaves.keys()]) {
      const leaves = defined(this.#leaves.get(machinePage), "what is swept is here")
      for (const leaf of [...leaves]) if (!isLeaf(machinePage, leaf) && leaves.delete(leaf)) this.#named -= 1
      if (leaves.size === 0) this.#leaves.delete(machinePage)
    }
    this.#sweepAt = Math.max(NAMED_MIN, this.#named * GROWTH)
  }
}

const NONE: readonly number[] = []
