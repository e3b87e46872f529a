/**
 * How long a node keeps a page that was brought to it: until its harts have got somewhere with it, and not while they only wait.
 *
 * The protocol pins a page until the instruction that it was brought for has retired. Two nodes that share a kernel would then carry a page to and
 * fro for every few stores; one that keeps it for a moment does many at once. So a page that has just come stays for `holdCycles`, or until no
 * hart of the node can go on: whoever waits, or polls, has no use for it, and who holds a lock elsewhere may need it to let the lock go.
 * Pure; the pins themselves are the agent's (memory/agent), which lets none be longer than its own limit.
 */
export class PageHolds {
  readonly #holdCycles: number
  /** The page, and since when. In that order. */
  readonly #since = new Map<number, number>()

  constructor(holdCycles: number) {
    this.#holdCycles = holdCycles
  }

  /** The instruction that these pages were brought for has retired. */
  hold(pages: Iterable<number>, now: number): void {
    for (const page of pages) if (!this.#since.has(page)) this.#since.set(page, now)
  }

  /** Pages that may go now. `progress`: a hart of the node can go on. */
  due(now: number, progress: boolean): readonly number[] {
    const due: number[] = []
    for (const [page, since] of this.#since) {
      if (progress && now - since < this.#holdCycles) break
      due.push(page)
      this.#since.delete(page)
    }
    return due
  }
}
