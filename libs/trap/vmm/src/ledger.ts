/** The exit ledger of one VM: how often each cause left the guest, by class, and what was served without the VMM. */
import type { ExitClass } from "./entry.ts"

export interface LedgerRow {
  readonly cause: string
  readonly class: ExitClass
  readonly count: number
}

export class Ledger {
  readonly #exits = new Map<string, { readonly class: ExitClass; count: number }>()
  readonly #assisted = new Map<string, number>()

  /** An end of the CPU's budget is no exit of the guest's. */
  count(cause: string, exitClass: ExitClass): void {
    const row = this.#exits.get(cause)
    if (row === undefined) this.#exits.set(cause, { class: exitClass, count: 1 })
    else row.count += 1
  }

  /** Served beside the engine in mode `assist`. */
  countAssisted(cause: string): void {
    this.#assisted.set(cause, (this.#assisted.get(cause) ?? 0) + 1)
  }

  /** Most frequent first. */
  rows(): readonly LedgerRow[] {
    return [...this.#exits]
      .map(([cause, row]) => ({ cause, class: row.class, count: row.count }))
      .sort((left, right) => right.count - left.count || (left.cause < right.cause ? -1 : 1))
  }

  exits(): ReadonlyMap<string, number> {
    return new Map([...this.#exits].map(([cause, row]) => [cause, row.count]))
  }

  assisted(): ReadonlyMap<string, number> {
    return this.#assisted
  }

  total(): number {
    return [...this.#exits.values()].reduce((sum, row) => sum + row.count, 0)
  }

  byClass(): Readonly<Record<ExitClass, number>> {
    const sums = { R: 0, B: 0, A: 0 }
    for (const row of this.#exits.values()) sums[row.class] += row.count
    return sums
  }
}
