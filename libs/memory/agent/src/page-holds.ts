/**
 * How long a node keeps pages that were brought to it.
 *
 * The protocol pins a page until the instruction that it was brought for has retired. Two nodes that share a kernel would then carry a page to and fro
 * for every few stores, or each have one of two pages that both need; a node that keeps them for a moment does many at once. How long a moment is
 * depends on how the node's CPUs are executed: that is the rule. Pure; the pins themselves are the agent's, which lets none be longer than its own limit.
 */

export interface CpusNow {
  /** One of the node's CPUs can go on: it neither waits nor polls. */
  readonly goOn: boolean
  /** One waits for a page. */
  readonly wait: boolean
}

export interface HoldRule {
  /** Whether a page that is used again is kept from its first use since it came, or from its last. */
  readonly from: "first" | "last"
  /** Cycles for which pages are kept, as things are; 0: none is. */
  cycles(now: number, cpus: CpusNow): number
}

export class PageHolds {
  readonly #rule: HoldRule
  /** The page, and since when. In that order. */
  readonly #since = new Map<number, number>()

  constructor(rule: HoldRule) {
    this.#rule = rule
  }

  /** The instruction that these pages were brought for has retired. */
  hold(pages: Iterable<number>, now: number): void {
    for (const page of pages) {
      if (this.#rule.from === "last") this.#since.delete(page)
      else if (this.#since.has(page)) continue
      this.#since.set(page, now)
    }
  }

  /** Pages that may go now. */
  due(now: number, cpus: CpusNow): readonly number[] {
    const cycles = this.#rule.cycles(now, cpus)
    const due: number[] = []
    for (const [page, since] of this.#since) {
      if (now - since < cycles) break
      due.push(page)
      this.#since.delete(page)
    }
    return due
  }

  /** When the first goes that is still held, if nothing changes; null: none is. */
  nextAt(now: number, cpus: CpusNow): number | null {
    for (const since of this.#since.values()) return Math.max(now + 1, since + this.#rule.cycles(now, cpus))
    return null
  }
}

/**
 * For CPUs that take turns of some thousand instructions in the machine's time: so many cycles, while one of them gets on. Who only waits, or polls, has no
 * use for a page, and who holds a lock elsewhere may need it to let the lock go.
 */
export function whileCpusGoOn(cycles: number): HoldRule {
  return { from: "first", cycles: (_now, { goOn }) => (goOn ? cycles : 0) }
}

/** Of a tick, for each rank: longer than a page takes that is asked for over the bus. */
const PART_OF_TICK = 1 / 4

/**
 * For CPUs that execute what a tick pays for at once: who waits for nothing has done with its pages then. While one waits for yet another page, one of the
 * nodes keeps what it has, and so has both of two before it lets go; whose turn that is goes round with the ticks.
 */
export function byTurnsOfNodes({
  rank,
  nodes,
  tickCycles,
}: {
  /** Place of this node among those that have part, and their number. */
  readonly rank: number
  readonly nodes: number
  readonly tickCycles: number
}): HoldRule {
  const turn = (now: number): number => (rank + Math.floor(now / tickCycles)) % nodes
  return { from: "last", cycles: (now, { wait }) => (wait ? turn(now) * tickCycles * PART_OF_TICK : 0) }
}
