/** The Completely Fair Scheduler: the task with the least virtual runtime. See README.md beside this file. */
import type { Account, Discipline } from "../discipline.ts"
import { mayRun } from "../policy.ts"
import { PolicyQueue } from "../policy-queue.ts"
import type { ChargeReason, EnqueueReason, QueuePolicyKind } from "../queue-policy.ts"
import { TaskTree } from "../structures/task-tree.ts"
import { VIRTUAL_TICK, virtualOf, weightOf } from "../weights.ts"

/** Every task is to run once within so many slices of the machine … */
export const LATENCY_SLICES = 4
/** … unless there are more than so many tasks: then the period grows with their number. */
export const LATENCY_TASKS_MAX = 8

/** A task that wakes preempts one that is ahead of it by more than this part of a period (Linux: 1 ms of 6). */
export const WAKEUP_GRANULARITY = 6

/** Who is favoured is picked before those that are behind it by at most this part of a period: as much as a sleeper is owed at most. */
const FAVOUR_PART = 2

export interface CfsState {
  /** Virtual time it has run. Only grows. In parts of a virtual tick. */
  vruntime: number
  /** Its weight while it competes (waiting or running), else 0. */
  load: number
}

type CfsAccount = Account<CfsState>

class CfsDiscipline implements Discipline<CfsState> {
  readonly isWeighted = true
  readonly #latencyTicks: number
  /** The waiting, by vruntime. */
  readonly #waiting = new TaskTree<CfsAccount>()
  readonly #running = new Set<CfsAccount>()
  #load = 0
  #competing = 0
  /** `min_vruntime`: no competing task is behind it by more than the credit of a sleeper. Only grows. */
  #floor = 0
  /** Whom the last that gave way would rather see run (Linux: the next buddy). */
  #favoured: CfsAccount | null = null

  constructor(sliceTicks: number) {
    this.#latencyTicks = LATENCY_SLICES * sliceTicks
  }

  open(): CfsState {
    return { vruntime: this.#floor, load: 0 }
  }

  insert(account: CfsAccount, _now: number, why: EnqueueReason): void {
    const { state, view } = account
    this.#running.delete(account)
    if (state.load === 0) {
      // A sleeper keeps its vruntime, but may not save up more than half a period while it sleeps.
      if (why === "wake") state.vruntime = Math.max(state.vruntime, this.#floor - (this.#latencyTicks * VIRTUAL_TICK) / 2)
      else state.vruntime = Math.max(state.vruntime, this.#floor)
      this.#join(account)
    } else if (state.load !== weightOf(view)) {
      this.#leave(account)
      this.#join(account)
    }
    this.#waiting.insert({ item: account, key: state.vruntime, weight: state.load, rank: 0 })
    this.#raiseFloor()
  }

  /** Whom a task that spins waits for may run before its turn, but stays in the books. */
  favour(account: CfsAccount): void {
    this.#favoured = account
  }

  delete(account: CfsAccount): void {
    if (this.#favoured === account) this.#favoured = null
    this.#waiting.remove(account)
    this.#running.add(account)
  }

  choose(cpu: number): CfsAccount | undefined {
    const next = this.#waiting.find((account) => mayRun(account.view, cpu))
    const favoured = this.#favoured
    if (next === undefined || favoured === null || !mayRun(favoured.view, cpu)) return next
    const ahead = favoured.state.vruntime - next.state.vruntime
    return ahead <= (this.#latencyTicks * VIRTUAL_TICK) / FAVOUR_PART ? favoured : next
  }

  /** The one that would wait longest here. */
  give(thiefCpu: number): CfsAccount | undefined {
    return this.#waiting.findLast((account) => mayRun(account.view, thiefCpu))
  }

  charge(account: CfsAccount, ranTicks: number, why: ChargeReason): void {
    account.state.vruntime += virtualOf(ranTicks, weightOf(account.view))
    if (why === "blocked") this.close(account)
    this.#raiseFloor()
  }

  sliceTicks({ view }: CfsAccount): number {
    const periodTicks = this.#latencyTicks * Math.max(1, this.#competing / LATENCY_TASKS_MAX)
    return Math.floor((periodTicks * weightOf(view)) / Math.max(this.#load, weightOf(view)))
  }

  /** Behind by more than a little, in virtual time: or tasks that wake often would cut each other short all the time. */
  preemptGain(waiting: CfsAccount, running: CfsAccount, ranTicks: number): number {
    const ahead = running.state.vruntime + virtualOf(ranTicks, weightOf(running.view)) - waiting.state.vruntime
    return ahead - virtualOf(Math.max(1, Math.floor(this.#latencyTicks / WAKEUP_GRANULARITY)), weightOf(waiting.view))
  }

  close(account: CfsAccount): void {
    this.#running.delete(account)
    if (account.state.load > 0) this.#leave(account)
  }

  #join({ state, view }: CfsAccount): void {
    state.load = weightOf(view)
    this.#load += state.load
    this.#competing++
  }

  #leave({ state }: CfsAccount): void {
    this.#load -= state.load
    this.#competing--
    state.load = 0
  }

  #raiseFloor(): void {
    let least = this.#waiting.first?.key ?? Infinity
    for (const { state } of this.#running) least = Math.min(least, state.vruntime)
    if (least !== Infinity) this.#floor = Math.max(this.#floor, least)
  }
}

/** With the load balancer of Linux: see ../domains. */
export const cfsDomains: QueuePolicyKind = {
  name: "cfs-domains",
  summary: "cfs; an idle CPU takes work from near by, by scheduling domains as in Linux",
  layout: "cpu",
  slices: "own",
  steal: "domains",
  create: ({ sliceTicks }) => new PolicyQueue(new CfsDiscipline(sliceTicks)),
}

export const cfs: QueuePolicyKind = {
  name: "cfs",
  summary: "one queue a CPU; the task with the least virtual runtime, by weight",
  layout: "cpu",
  slices: "own",
  steal: "offers",
  create: ({ sliceTicks }) => new PolicyQueue(new CfsDiscipline(sliceTicks)),
}
