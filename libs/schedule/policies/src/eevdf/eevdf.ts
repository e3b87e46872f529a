/** Earliest eligible virtual deadline first. See README.md beside this file. */
import type { Account, Discipline } from "../discipline.ts"
import { mayRun } from "../policy.ts"
import { PolicyQueue } from "../policy-queue.ts"
import type { ChargeReason, QueuePolicyKind } from "../queue-policy.ts"
import { TaskTree } from "../structures/task-tree.ts"
import { virtualOf, weightOf } from "../weights.ts"
import { AverageClock } from "./average-clock.ts"

export interface EevdfState {
  /** Virtual time at which it becomes eligible: what it has had so far. */
  at: number
  /** Virtual time by which the slice that it asks for is due. */
  deadline: number
  /** Its weight while it competes, else 0. */
  load: number
  /** Kept while it does not compete: V − at. Above 0: it is owed. */
  lag: number
  /** Of the run in progress, what `at` has moved already. */
  advanced: number
}

type EevdfAccount = Account<EevdfState>

export class EevdfDiscipline implements Discipline<EevdfState> {
  readonly isWeighted = true
  readonly #sliceTicks: number
  readonly #clock = new AverageClock()
  /** The waiting by `at`, ranked by deadline. */
  readonly #waiting = new TaskTree<EevdfAccount>()
  readonly #running = new Set<EevdfAccount>()
  #advancedTo = 0

  constructor(sliceTicks: number) {
    this.#sliceTicks = sliceTicks
  }

  open(): EevdfState {
    return { at: 0, deadline: 0, load: 0, lag: 0, advanced: 0 }
  }

  insert(account: EevdfAccount): void {
    const { state, view } = account
    if (this.#running.delete(account)) this.#serve(state, -state.advanced) // it was refused, and did not run
    if (state.load > 0 && state.load !== weightOf(view)) this.close(account)
    if (state.load === 0) this.#join(account)
    this.#waiting.insert({ item: account, key: state.at, weight: state.load, rank: state.deadline })
  }

  delete(account: EevdfAccount): void {
    this.#waiting.remove(account)
    account.state.advanced = 0
    this.#running.add(account)
  }

  /** Runs in progress count too: who joins in the middle of one would otherwise gain the part that is not yet charged. */
  advance(now: number): void {
    for (const { state } of this.#running) this.#serve(state, virtualOf(now - this.#advancedTo, state.load))
    this.#advancedTo = now
  }

  #serve(state: EevdfState, virtual: number): void {
    state.at += virtual
    state.advanced += virtual
    this.#clock.move(state.load, virtual)
  }

  /** With CPUs that not all may use, nobody who may run here need be eligible; no CPU idles for that. */
  choose(cpu: number): EevdfAccount | undefined {
    const passes = (account: EevdfAccount): boolean => mayRun(account.view, cpu)
    return this.#waiting.leastRank(this.#clock.now, passes) ?? this.#waiting.find(passes)
  }

  /** The one that has had most of what is due to it. */
  give(thiefCpu: number): EevdfAccount | undefined {
    return this.#waiting.findLast((account) => mayRun(account.view, thiefCpu))
  }

  charge(account: EevdfAccount, ranTicks: number, why: ChargeReason): void {
    const { state } = account
    this.#running.delete(account)
    this.#serve(state, virtualOf(ranTicks, state.load) - state.advanced)
    if (why === "blocked") return this.close(account)
    // Who gives way gives up the rest of its slice: it asks for a whole one anew, which is due later.
    if (state.at >= state.deadline || why === "yield") this.#ask(state)
  }

  sliceTicks({ state }: EevdfAccount): number {
    return Math.min(this.#sliceTicks, Math.ceil((this.#sliceTicks * (state.deadline - state.at)) / virtualOf(this.#sliceTicks, state.load)))
  }

  /** Who is owed time and is due earlier does not wait for a slice to end. */
  preemptGain(waiting: EevdfAccount, running: EevdfAccount): number {
    return waiting.state.at > this.#clock.now ? 0 : running.state.deadline - waiting.state.deadline
  }

  /** Leaves the competition and keeps its lag, of at most a slice either way. */
  close(account: EevdfAccount): void {
    const { state } = account
    this.#running.delete(account)
    if (state.load === 0) return
    const lagMost = virtualOf(this.#sliceTicks, state.load)
    state.lag = Math.max(-lagMost, Math.min(lagMost, this.#clock.now - state.at))
    this.#clock.leave(state.load, state.at)
    state.load = 0
  }

  /** Joining moves V towards the joiner; placed so much farther off, it has the lag that it left with once it is in. */
  #join({ state, view }: EevdfAccount): void {
    const weight = weightOf(view)
    const others = this.#clock.weight
    const offset = others === 0 ? 0 : Math.floor((state.lag * (others + weight)) / others)
    state.at = this.#clock.now - offset
    state.load = weight
    this.#clock.join(weight, state.at)
    this.#ask(state)
  }

  #ask(state: EevdfState): void {
    state.deadline = state.at + virtualOf(this.#sliceTicks, state.load)
  }
}

export const eevdf: QueuePolicyKind = {
  name: "eevdf",
  summary: "one queue a CPU; of those owed time, the one whose slice is due first",
  layout: "cpu",
  slices: "own",
  steal: "offers",
  create: ({ sliceTicks }) => new PolicyQueue(new EevdfDiscipline(sliceTicks)),
}
