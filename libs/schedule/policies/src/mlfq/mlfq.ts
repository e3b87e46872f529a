/** The multi-level feedback queue. See README.md beside this file. */
import type { Account, Discipline } from "../discipline.ts"
import { mayRun } from "../policy.ts"
import { PolicyQueue } from "../policy-queue.ts"
import type { EnqueueReason, QueuePolicyKind } from "../queue-policy.ts"
import { LevelLists } from "../structures/level-lists.ts"

export const MLFQ_LEVELS = 4
/** A task may run so many quanta at a level, in one piece or many. */
export const ALLOTMENT_QUANTA = 2
/** All tasks go to the top so often. */
export const BOOST_SLICES = 50

export interface MlfqState {
  /** 0 is the top. */
  level: number
  /** Of the allotment of this level. */
  usedTicks: number
}

type MlfqAccount = Account<MlfqState>

class MlfqDiscipline implements Discipline<MlfqState> {
  readonly #sliceTicks: number
  #lists = new LevelLists<MlfqAccount>(MLFQ_LEVELS)
  #boosts = 0

  constructor(sliceTicks: number) {
    this.#sliceTicks = sliceTicks
  }

  /** Rule 3: a task starts at the top. */
  open(): MlfqState {
    return { level: 0, usedTicks: 0 }
  }

  insert(account: MlfqAccount, _now: number, why: EnqueueReason): void {
    if (why === "refused" || why === "preempt") this.#lists.pushFront(account.state.level, account)
    else this.#lists.pushBack(account.state.level, account)
  }

  delete(account: MlfqAccount): void {
    this.#lists.remove(account.state.level, account)
  }

  /** Rules 1 and 2: the highest level first, in turn within a level. */
  choose(cpu: number): MlfqAccount | undefined {
    return this.#lists.find((account) => mayRun(account.view, cpu))
  }

  give(thiefCpu: number): MlfqAccount | undefined {
    return this.choose(thiefCpu)
  }

  /** Rule 4: who has used up its allotment goes down, however often it gave up the CPU in between. */
  charge({ state }: MlfqAccount, ranTicks: number): void {
    state.usedTicks += ranTicks
    if (state.usedTicks < ALLOTMENT_QUANTA * this.#quantum(state.level)) return
    state.level = Math.min(state.level + 1, MLFQ_LEVELS - 1)
    state.usedTicks = 0
  }

  sliceTicks({ state }: MlfqAccount): number {
    return Math.min(this.#quantum(state.level), ALLOTMENT_QUANTA * this.#quantum(state.level) - state.usedTicks)
  }

  /** Rule 1 holds for running tasks too: who is above does not wait. */
  preemptGain(waiting: MlfqAccount, running: MlfqAccount): number {
    return running.state.level - waiting.state.level
  }

  /** Rule 5: after some time all go to the top, those of a higher level first. */
  advance(now: number, accounts: ReadonlyMap<string, MlfqAccount>): void {
    const boosts = Math.floor(now / (BOOST_SLICES * this.#sliceTicks))
    if (boosts <= this.#boosts) return
    this.#boosts = boosts
    const order = this.#lists.items()
    this.#lists = new LevelLists(MLFQ_LEVELS)
    for (const { state } of accounts.values()) Object.assign(state, { level: 0, usedTicks: 0 } satisfies MlfqState)
    for (const account of order) this.#lists.pushBack(0, account)
  }

  /** Quanta double from level to level. */
  #quantum(level: number): number {
    return this.#sliceTicks << level
  }
}

export const mlfq: QueuePolicyKind = {
  name: "mlfq",
  summary: "one queue of four levels; who uses its allotment goes down, all come up again",
  layout: "all",
  slices: "own",
  steal: "none",
  create: ({ sliceTicks }) => new PolicyQueue(new MlfqDiscipline(sliceTicks)),
}
