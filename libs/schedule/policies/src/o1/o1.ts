/** The O(1) scheduler: two arrays of lists by level, active and expired. See README.md beside this file. */
import type { Account, Discipline } from "../discipline.ts"
import { mayRun } from "../policy.ts"
import { PolicyQueue } from "../policy-queue.ts"
import type { EnqueueReason, QueuePolicyKind } from "../queue-policy.ts"
import { LevelLists } from "../structures/level-lists.ts"
import { weightOf } from "../weights.ts"
import { LEVELS, levelOfWeight, levelSliceTicks } from "./levels.ts"

export interface O1State {
  level: number
  /** What is left of the time slice. Refilled when it reaches 0; the task then waits for the next epoch. */
  leftTicks: number
  /** Where it waits, or waited last. */
  array: LevelLists<Account<O1State>>
  /** The epoch in which its slice was last used up: it waits for the next. */
  expiredIn: number
}

export class O1Discipline implements Discipline<O1State> {
  readonly isWeighted = true
  readonly #baseTicks: number
  #active = new LevelLists<Account<O1State>>(LEVELS)
  #expired = new LevelLists<Account<O1State>>(LEVELS)
  /** Times the arrays changed places. */
  epochs = 0

  constructor(baseTicks: number) {
    this.#baseTicks = baseTicks
  }

  /** Words, lists and items looked at so far: the cost of all choices. */
  get looks(): number {
    return this.#active.looks + this.#expired.looks
  }

  open(): O1State {
    return { level: -1, leftTicks: 0, array: this.#active, expiredIn: -1 }
  }

  insert(account: Account<O1State>, _now: number, why: EnqueueReason): void {
    const { state } = account
    const level = levelOfWeight(weightOf(account.view))
    if (state.level < 0) state.leftTicks = levelSliceTicks(level, this.#baseTicks)
    state.level = level
    state.array = state.expiredIn === this.epochs ? this.#expired : this.#active
    if (why === "refused" || why === "preempt") state.array.pushFront(level, account)
    else state.array.pushBack(level, account)
  }

  delete(account: Account<O1State>): void {
    account.state.array.remove(account.state.level, account)
  }

  choose(cpu: number): Account<O1State> | undefined {
    if (this.#active.length === 0) this.#swap()
    const passes = (account: Account<O1State>): boolean => mayRun(account.view, cpu)
    return this.#active.find(passes) ?? this.#expired.find(passes)
  }

  /** Those that wait longest for their next run have the coldest caches. */
  give(thiefCpu: number): Account<O1State> | undefined {
    const passes = (account: Account<O1State>): boolean => mayRun(account.view, thiefCpu)
    return this.#expired.find(passes) ?? this.#active.find(passes)
  }

  charge({ state, view }: Account<O1State>, ranTicks: number): void {
    state.leftTicks -= ranTicks
    if (state.leftTicks > 0) return
    state.leftTicks = levelSliceTicks(levelOfWeight(weightOf(view)), this.#baseTicks)
    state.expiredIn = this.epochs
  }

  sliceTicks({ state }: Account<O1State>): number {
    return state.leftTicks
  }

  /** A task of a better level preempts (Linux 2.6, `TASK_PREEMPTS_CURR`), unless it has had its slice of this epoch. */
  preemptGain(waiting: Account<O1State>, running: Account<O1State>): number {
    return waiting.state.array === this.#active ? running.state.level - waiting.state.level : 0
  }

  #swap(): void {
    if (this.#expired.length === 0) return
    const old = this.#active
    this.#active = this.#expired
    this.#expired = old
    this.epochs++
  }
}

export const o1: QueuePolicyKind = {
  name: "o1",
  summary: "one queue a CPU; active and expired arrays, choice in constant time",
  layout: "cpu",
  slices: "own",
  steal: "offers",
  create: ({ sliceTicks }) => new PolicyQueue(new O1Discipline(sliceTicks)),
}
