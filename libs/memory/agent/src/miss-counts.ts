/** How often a node missed on each page of one space, of all time, and which of that its homes have not been told yet. */
import { send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { AgentOut } from "./agent-options.ts"

/** Pages in one message of counts. */
const COUNTS_MAX = 4_000

export class MissCounts {
  /** By page: misses that read, misses that wrote. */
  readonly #misses = new Map<number, { reads: number; writes: number }>()
  /** Pages whose counts have changed since they were last told. */
  readonly #untold = new Set<number>()

  get anyUntold(): boolean {
    return this.#untold.size > 0
  }

  note(page: number, write: boolean): void {
    const known = this.#misses.get(page)
    if (known === undefined) this.#misses.set(page, { reads: write ? 0 : 1, writes: write ? 1 : 0 })
    else if (write) known.writes += 1
    else known.reads += 1
    this.#untold.add(page)
  }

  /** A home in a new life knows none. */
  tellAllAgain(): void {
    for (const page of this.#misses.keys()) this.#untold.add(page)
  }

  forget(page: number): void {
    this.#misses.delete(page)
  }

  /** Levels: said again and again, they are the same. */
  tell(
    about: { readonly space: string; readonly node: number; readonly homeOf: (page: number) => ActorId },
    epochOf: (home: ActorId) => number,
    out: AgentOut,
  ): void {
    const { space, node, homeOf } = about
    const byHome = new Map<ActorId, number[]>()
    for (const page of [...this.#untold].slice(0, COUNTS_MAX)) {
      this.#untold.delete(page)
      const misses = this.#misses.get(page)
      if (misses === undefined) continue
      const counts = byHome.get(homeOf(page)) ?? []
      byHome.set(homeOf(page), counts)
      counts.push(page, misses.reads, misses.writes)
    }
    for (const [home, counts] of byHome) out.push(send(home, { kind: "PageCounts", space, node, epoch: epochOf(home), counts }))
  }
}
