/** The exit ledger of one VM: how often each cause left the guest, by class, what was served without the VMM, and what it would cost. */
import { costOf, costOfAssisted, costOfUpdate, MODERN, type CostTable } from "./costs.ts"
import type { ExitClass } from "./entry.ts"

export interface LedgerRow {
  readonly cause: string
  readonly class: ExitClass
  readonly count: number
  /** Virtual cycles of all of them together. */
  readonly cycles: number
}

interface Account {
  readonly class: ExitClass
  readonly cost: number
  count: number
}

export class Ledger {
  readonly costs: CostTable
  readonly #exits = new Map<string, Account>()
  readonly #assisted = new Map<string, number>()
  #exitCycles = 0
  #instructions = 0
  #updates = 0
  #total = 0

  constructor(costs: CostTable = MODERN) {
    this.costs = costs
  }

  /** The virtual cycles of one. An end of the CPU's budget is no exit of the guest's. */
  count(cause: string, exitClass: ExitClass, times = 1): number {
    let account = this.#exits.get(cause)
    if (account === undefined) {
      account = { class: exitClass, cost: costOf(this.costs, cause), count: 0 }
      this.#exits.set(cause, account)
    }
    account.count += times
    this.#total += times
    this.#exitCycles += times * account.cost
    return account.cost
  }

  /** Served beside the engine in mode `assist`. */
  countAssisted(cause: string, times = 1): void {
    this.#assisted.set(cause, (this.#assisted.get(cause) ?? 0) + times)
    this.#exitCycles += times * costOfAssisted(this.costs, cause)
  }

  ran(instructions: number): void {
    this.#instructions += instructions
  }

  /** Entries of lists that hypercalls went through. */
  updated(entries: number): void {
    this.#updates += entries
  }

  /** Most frequent first. */
  rows(): readonly LedgerRow[] {
    return [...this.#exits]
      .map(([cause, { class: exitClass, count, cost }]) => ({ cause, class: exitClass, count, cycles: count * cost }))
      .sort((left, right) => right.count - left.count || (left.cause < right.cause ? -1 : 1))
  }

  exits(): ReadonlyMap<string, number> {
    return new Map([...this.#exits].map(([cause, row]) => [cause, row.count]))
  }

  assisted(): ReadonlyMap<string, number> {
    return this.#assisted
  }

  total(): number {
    return this.#total
  }

  /** Virtual cycles so far: an instruction is one, and every exit costs what the table says. */
  cycles(): number {
    return this.#instructions + this.#exitCycles + this.#updates * costOfUpdate(this.costs)
  }

  byClass(): Readonly<Record<ExitClass, number>> {
    const sums = { R: 0, B: 0, A: 0 }
    for (const row of this.#exits.values()) sums[row.class] += row.count
    return sums
  }
}
