/** Stride scheduling with a global pass for those who come and go. See README.md beside this file. */
import type { Account, Discipline } from "../discipline.ts"
import { mayRun } from "../policy.ts"
import { PolicyQueue } from "../policy-queue.ts"
import type { ChargeReason, QueuePolicyKind } from "../queue-policy.ts"
import { TaskTree } from "../structures/task-tree.ts"
import { virtualOf, weightOf } from "../weights.ts"

interface StrideState {
  /** The least pass runs next; it grows by a stride (inverse to the weight) a slice. */
  pass: number
  /** Its weight while it competes, else 0. */
  load: number
  /** Kept while it does not compete: pass − global pass. */
  remain: number
}

type StrideAccount = Account<StrideState>

class StrideDiscipline implements Discipline<StrideState> {
  readonly isWeighted = true
  readonly #sliceTicks: number
  readonly #waiting = new TaskTree<StrideAccount>()
  readonly #running = new Set<StrideAccount>()
  /** Pass of a client that held all tickets: grows with the time that CPUs run, over the tickets that compete. */
  #globalPass = 0
  #advancedTo = 0
  #tickets = 0

  constructor(sliceTicks: number) {
    this.#sliceTicks = sliceTicks
  }

  open(view: StrideAccount["view"]): StrideState {
    return { pass: 0, load: 0, remain: virtualOf(this.#sliceTicks, weightOf(view)) }
  }

  insert(account: StrideAccount): void {
    const { state, view } = account
    this.#running.delete(account)
    if (state.load > 0 && state.load !== weightOf(view)) this.#rescale(account)
    if (state.load === 0) {
      state.load = weightOf(view)
      state.pass = this.#globalPass + state.remain
      this.#tickets += state.load
    }
    this.#waiting.insert({ item: account, key: state.pass, weight: state.load, rank: 0 })
  }

  delete(account: StrideAccount): void {
    this.#waiting.remove(account)
    this.#running.add(account)
  }

  choose(cpu: number): StrideAccount | undefined {
    return this.#waiting.find((account) => mayRun(account.view, cpu))
  }

  give(thiefCpu: number): StrideAccount | undefined {
    return this.#waiting.findLast((account) => mayRun(account.view, thiefCpu))
  }

  /** A part of a slice moves the pass by that part of a stride. */
  charge(account: StrideAccount, ranTicks: number, why: ChargeReason): void {
    const { state } = account
    state.pass += virtualOf(ranTicks, state.load)
    this.#running.delete(account)
    if (why === "blocked") this.close(account)
  }

  sliceTicks(): number {
    return this.#sliceTicks
  }

  /** What remains is bounded by two strides, which no fair run exceeds: who was kept off by others' affinity cannot save up. */
  close(account: StrideAccount): void {
    const { state } = account
    this.#running.delete(account)
    if (state.load === 0) return
    const remainMost = 2 * virtualOf(this.#sliceTicks, state.load)
    state.remain = Math.max(-remainMost, Math.min(remainMost, state.pass - this.#globalPass))
    this.#tickets -= state.load
    state.load = 0
  }

  /** Slices in progress count too: who joins in the middle of one would otherwise gain the part that is not yet charged. */
  advance(now: number): void {
    if (this.#tickets > 0) this.#globalPass += virtualOf((now - this.#advancedTo) * this.#running.size, this.#tickets)
    this.#advancedTo = now
  }

  /** With other tickets, the rest of the wait changes as the stride does. */
  #rescale(account: StrideAccount): void {
    const { state, view } = account
    const load = state.load
    this.close(account)
    state.remain = Math.floor((state.remain * load) / weightOf(view))
  }
}

export const stride: QueuePolicyKind = {
  name: "stride",
  summary: "one queue; the least pass runs, strides inverse to weights",
  layout: "all",
  slices: "own",
  steal: "none",
  create: ({ sliceTicks }) => new PolicyQueue(new StrideDiscipline(sliceTicks)),
}
