/**
 * How long a part of a VM keeps pages that were brought to it, while a vCPU of its waits for yet another one.
 *
 * Two vCPUs that need the same two pages, each with one of them, would carry them to and fro for every few instructions: each gives away what it has
 * while it waits. So one of the nodes keeps them for a moment, and has both before it lets go; whose turn that is goes round with the ticks.
 * Who waits for nothing has executed what it may: then pages go at once. Pure; the pins themselves are the page agent's, which lets none be longer
 * than its own limit.
 */
export interface PageHoldsOptions {
  /** Place of this node among those of the VM, and their number. */
  readonly rank: number
  readonly nodes: number
  readonly tickCycles: number
}

/** Of a tick, for each rank: longer than a page takes that is asked for over the bus. */
const PART_OF_TICK = 1 / 4

export class PageHolds {
  readonly #options: PageHoldsOptions
  /** The page, and since when. In that order. */
  readonly #since = new Map<number, number>()

  constructor(options: PageHoldsOptions) {
    this.#options = options
  }

  /** The instruction that these were brought for has retired. */
  hold(pages: Iterable<number>, now: number): void {
    for (const page of pages) {
      this.#since.delete(page)
      this.#since.set(page, now)
    }
  }

  /** Pages that may go now. `waits`: a vCPU of the node is waiting for a page. */
  due(now: number, waits: boolean): readonly number[] {
    const limit = waits ? this.#cycles(now) : 0
    const due: number[] = []
    for (const [page, since] of this.#since) {
      if (now - since < limit) break
      due.push(page)
      this.#since.delete(page)
    }
    return due
  }

  /** When the first goes that is still held; null: none is. */
  nextAt(now: number): number | null {
    for (const since of this.#since.values()) return Math.max(now + 1, since + this.#cycles(now))
    return null
  }

  #cycles(now: number): number {
    const { rank, nodes, tickCycles } = this.#options
    return ((rank + Math.floor(now / tickCycles)) % nodes) * tickCycles * PART_OF_TICK
  }
}
