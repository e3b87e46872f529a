/**
 * One queue strictly in turn, but each task goes to that one of the idle CPUs where it costs least. The part that `smt` and `eas`
 * share; they differ in what costs.
 *
 * Nobody is passed over on a CPU for a later task, so waiting is bounded as in round robin; only the place is chosen. Where CPUs
 * become idle one by one there is nothing to choose, and it is round robin.
 */
import type { Account, Discipline } from "./discipline.ts"
import { mayRun } from "./policy.ts"
import { CAPACITY_MAX } from "./queue-settings.ts"
import type { ChargeReason, EnqueueReason } from "./queue-policy.ts"
import { TaskList } from "./structures/task-list.ts"

export interface MatchingState {
  /** First seen, and work done since, in ticks of the fastest CPU at its fastest: how busy it is by itself. */
  readonly since: number
  work: number
  /** Of the CPU and speed that it runs at, of `CAPACITY_MAX`. */
  capacity: number
}

export type MatchingAccount = Account<MatchingState>

/** What runs where, as far as this queue sent it there. */
export type Occupants = ReadonlyMap<number, MatchingAccount>

export interface MatchingOptions {
  readonly sliceTicks: number
  /** Lower is better; among equals the CPU of the lowest number. */
  readonly cost: (account: MatchingAccount, cpu: number, now: number, occupants: Occupants) => number
  /** Row of the CPU's table of speeds; `waiting`: tasks for which there was no CPU. Absent: the fastest. */
  readonly speed?: (account: MatchingAccount, cpu: number, at: { readonly now: number; readonly waiting: number }) => number
  /** Row of the CPU's table of idle states, after it idled so long, and as long the time before. Absent: the shallowest. */
  readonly depth?: (cpu: number, idle: { readonly ticks: number; readonly lastTicks: number }) => number
  /** Work that the CPU does in a tick at this speed, of `CAPACITY_MAX`. Absent: all are alike. */
  readonly capacityAt?: (cpu: number, speed: number) => number
}

export class MatchingDiscipline implements Discipline<MatchingState> {
  readonly #options: MatchingOptions
  readonly #list = new TaskList<MatchingAccount>()
  readonly #occupants = new Map<number, MatchingAccount>()
  /** Made when idle CPUs are offered, for the picks of that instant. */
  #plan = new Map<number, MatchingAccount>()
  /** Since when each CPU idles, and how long it did the time before. */
  readonly #idle = new Map<number, { since: number | null; lastTicks: number }>()

  constructor(options: MatchingOptions) {
    this.#options = options
  }

  open(_view: MatchingAccount["view"], now: number): MatchingState {
    return { since: now, work: 0, capacity: CAPACITY_MAX }
  }

  insert(account: MatchingAccount, _now: number, why: EnqueueReason): void {
    this.close(account)
    if (why === "refused") this.#list.pushFront(account)
    else this.#list.pushBack(account)
  }

  delete(account: MatchingAccount): void {
    this.#list.remove(account)
  }

  offer(idleCpus: readonly number[], now: number): void {
    this.#plan = new Map()
    for (const cpu of idleCpus) {
      this.#occupants.delete(cpu)
      const idle = this.#idleOf(cpu)
      idle.since ??= now
    }
    const occupants = new Map(this.#occupants)
    const free = new Set(idleCpus)
    for (const account of this.#list.items()) {
      if (free.size === 0) break
      const best = [...free]
        .filter((cpu) => mayRun(account.view, cpu))
        .map((cpu) => ({ cpu, cost: this.#options.cost(account, cpu, now, occupants) }))
        .sort((a, b) => a.cost - b.cost || a.cpu - b.cpu)[0]
      if (best === undefined) continue
      free.delete(best.cpu)
      occupants.set(best.cpu, account)
      this.#plan.set(best.cpu, account)
    }
  }

  #idleOf(cpu: number): { since: number | null; lastTicks: number } {
    const known = this.#idle.get(cpu) ?? { since: null, lastTicks: 0 }
    this.#idle.set(cpu, known)
    return known
  }

  choose(cpu: number, now: number): MatchingAccount | undefined {
    const planned = this.#plan.get(cpu)
    const isGood = planned?.place === "waiting" && mayRun(planned.view, cpu)
    const chosen = isGood ? planned : this.#list.find((account) => mayRun(account.view, cpu) && ![...this.#plan.values()].includes(account))
    this.#plan.delete(cpu)
    if (chosen === undefined) return undefined
    this.#occupants.set(cpu, chosen)
    const idle = this.#idleOf(cpu)
    if (idle.since !== null) Object.assign(idle, { since: null, lastTicks: now - idle.since })
    return chosen
  }

  give(thiefCpu: number): MatchingAccount | undefined {
    return this.#list.find((account) => mayRun(account.view, thiefCpu))
  }

  charge(account: MatchingAccount, ranTicks: number, _why: ChargeReason): void {
    account.state.work += (ranTicks * account.state.capacity) / CAPACITY_MAX
    this.close(account)
  }

  close(account: MatchingAccount): void {
    for (const [cpu, one] of this.#occupants) if (one === account) this.#occupants.delete(cpu)
  }

  speedIndex(account: MatchingAccount, cpu: number, now: number): number {
    const speed = this.#options.speed?.(account, cpu, { now, waiting: this.#list.length }) ?? 0
    account.state.capacity = this.#options.capacityAt?.(cpu, speed) ?? CAPACITY_MAX
    return speed
  }

  idleDepth(cpu: number, now: number): number {
    const { since, lastTicks } = this.#idleOf(cpu)
    return this.#options.depth?.(cpu, { ticks: since === null ? 0 : now - since, lastTicks }) ?? 0
  }

  sliceTicks(): number {
    return this.#options.sliceTicks
  }
}
