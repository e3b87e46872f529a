/** What moved between nodes of late, from what the feed says of where tasks lie: nobody counts it for us, and nobody has to. */
import type { MachineData } from "./machine-data.ts"

export type Moves = readonly { readonly from: number; readonly to: number; readonly count: number }[]

const WINDOW_MILLISECONDS = 60_000
/** A task on its way lies nowhere for a moment; one that has been away for longer has ended. */
const AWAY_MILLISECONDS = 2_000
/** Moves that are remembered at most. */
const MOVES_MAX = 10_000

export class Traffic {
  #machine = ""
  readonly #seen = new Map<string, { readonly node: number; readonly at: number }>()
  #moves: { readonly at: number; readonly from: number; readonly to: number }[] = []

  /** `now`: milliseconds of a clock that only goes on. */
  see({ machine, nodes }: MachineData, now: number): void {
    if (machine !== this.#machine) {
      this.#machine = machine
      this.#seen.clear()
      this.#moves = []
    }
    for (const [index, node] of nodes.entries())
      for (const { task } of node?.tasks ?? []) {
        const before = this.#seen.get(task)
        if (before !== undefined && before.node !== index) this.#moves.push({ at: now, from: before.node, to: index })
        this.#seen.set(task, { node: index, at: now })
      }
    for (const [task, { at }] of this.#seen) if (now - at > AWAY_MILLISECONDS) this.#seen.delete(task)
    this.#moves = this.#moves.filter(({ at }) => now - at < WINDOW_MILLISECONDS).slice(-MOVES_MAX)
  }

  /** Of the last minute. */
  moves(now: number): Moves {
    const counts = new Map<string, { readonly from: number; readonly to: number; count: number }>()
    for (const { at, from, to } of this.#moves) {
      if (now - at >= WINDOW_MILLISECONDS) continue
      const key = `${from} ${to}`
      const known = counts.get(key)
      if (known === undefined) counts.set(key, { from, to, count: 1 })
      else known.count++
    }
    return [...counts.values()].sort((a, b) => a.from - b.from || a.to - b.to)
  }
}
