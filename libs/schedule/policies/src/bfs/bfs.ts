/** One queue for all CPUs in order of virtual deadlines. See README.md beside this file. */
import type { Account, Discipline } from "../discipline.ts"
import { mayRun } from "../policy.ts"
import { PolicyQueue } from "../policy-queue.ts"
import type { ChargeReason, QueuePolicyKind } from "../queue-policy.ts"
import { TaskTree } from "../structures/task-tree.ts"
import { VIRTUAL_TICK, virtualOf, weightOf } from "../weights.ts"

interface BfsState {
  /** When it should have had its slice, in parts of a tick. */
  deadline: number
  /** What is left of the slice; 0: a new slice and deadline are due. */
  leftTicks: number
}

type BfsAccount = Account<BfsState>

class BfsDiscipline implements Discipline<BfsState> {
  readonly isWeighted = true
  readonly #sliceTicks: number
  readonly #waiting = new TaskTree<BfsAccount>()

  constructor(sliceTicks: number) {
    this.#sliceTicks = sliceTicks
  }

  open(): BfsState {
    return { deadline: 0, leftTicks: 0 }
  }

  /** A sleeper comes back with the deadline and the rest of the slice that it had: what it waits for is soon due. */
  insert(account: BfsAccount, now: number): void {
    const { state, view } = account
    if (state.leftTicks <= 0) {
      state.leftTicks = this.#sliceTicks
      state.deadline = now * VIRTUAL_TICK + virtualOf(this.#sliceTicks, weightOf(view))
    }
    this.#waiting.insert({ item: account, key: state.deadline, weight: 0, rank: 0 })
  }

  delete(account: BfsAccount): void {
    this.#waiting.remove(account)
  }

  choose(cpu: number): BfsAccount | undefined {
    return this.#waiting.find((account) => mayRun(account.view, cpu))
  }

  give(thiefCpu: number): BfsAccount | undefined {
    return this.choose(thiefCpu)
  }

  charge({ state }: BfsAccount, ranTicks: number, why: ChargeReason): void {
    state.leftTicks = why === "yield" ? 0 : state.leftTicks - ranTicks
  }

  /** The running task whose deadline is latest gives way to one that wakes with an earlier one. */
  preemptGain(waiting: BfsAccount, running: BfsAccount): number {
    return running.state.deadline - waiting.state.deadline
  }

  sliceTicks({ state }: BfsAccount): number {
    return state.leftTicks
  }
}

export const bfs: QueuePolicyKind = {
  name: "bfs",
  summary: "one queue for all CPUs; earliest virtual deadline first",
  layout: "all",
  slices: "own",
  steal: "none",
  create: ({ sliceTicks }) => new PolicyQueue(new BfsDiscipline(sliceTicks)),
}
