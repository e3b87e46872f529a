/**
 * CFS as anybody would write it first: a list that is searched from the front each time. The oracle of `cfs`; and with `floor: "none"`,
 * where nobody is placed at `min_vruntime`, a broken one that the laws must catch. Not for use.
 */
import type { Account, Discipline } from "../discipline.ts"
import { mayRun } from "../policy.ts"
import type { ChargeReason, EnqueueReason } from "../queue-policy.ts"
import { VIRTUAL_TICK, virtualOf, weightOf } from "../weights.ts"
import { LATENCY_SLICES, LATENCY_TASKS_MAX, WAKEUP_GRANULARITY, type CfsState } from "./cfs.ts"

type CfsAccount = Account<CfsState>

export class NaiveCfs implements Discipline<CfsState> {
  readonly isWeighted = true
  readonly #latencyTicks: number
  readonly #hasFloor: boolean
  /** All that compete, waiting or running, in the order in which they last began to wait. */
  #competing: CfsAccount[] = []
  #floor = 0

  constructor({ sliceTicks, floor }: { readonly sliceTicks: number; readonly floor: "kept" | "none" }) {
    this.#latencyTicks = LATENCY_SLICES * sliceTicks
    this.#hasFloor = floor === "kept"
  }

  open(): CfsState {
    return { vruntime: 0, load: 0 }
  }

  insert(account: CfsAccount, _now: number, why: EnqueueReason): void {
    const { state } = account
    const allowance = why === "wake" ? (this.#latencyTicks * VIRTUAL_TICK) / 2 : 0
    if (!this.#competing.includes(account) && this.#hasFloor) state.vruntime = Math.max(state.vruntime, this.#floor - allowance)
    this.#competing = [...this.#competing.filter((one) => one !== account), account]
    this.#raiseFloor()
  }

  delete(): void {}

  choose(cpu: number): CfsAccount | undefined {
    return this.#waiting(cpu).reduce<CfsAccount | undefined>(
      (best, one) => (best === undefined || one.state.vruntime < best.state.vruntime ? one : best),
      undefined,
    )
  }

  give(thiefCpu: number): CfsAccount | undefined {
    return this.#waiting(thiefCpu).reduce<CfsAccount | undefined>(
      (best, one) => (best === undefined || one.state.vruntime >= best.state.vruntime ? one : best),
      undefined,
    )
  }

  #waiting(cpu: number): readonly CfsAccount[] {
    return this.#competing.filter(({ place, view }) => place === "waiting" && mayRun(view, cpu))
  }

  charge(account: CfsAccount, ranTicks: number, why: ChargeReason): void {
    account.state.vruntime += virtualOf(ranTicks, weightOf(account.view))
    if (why === "blocked") this.close(account)
    this.#raiseFloor()
  }

  sliceTicks({ view }: CfsAccount): number {
    const load = this.#competing.reduce((sum, one) => sum + weightOf(one.view), 0)
    const period = this.#latencyTicks * Math.max(1, this.#competing.length / LATENCY_TASKS_MAX)
    return Math.floor((period * weightOf(view)) / load)
  }

  preemptGain(waiting: CfsAccount, running: CfsAccount, ranTicks: number): number {
    const [late, early] = [virtualOf(ranTicks, weightOf(running.view)) + running.state.vruntime, waiting.state.vruntime]
    return late - early - virtualOf(Math.max(1, Math.floor(this.#latencyTicks / WAKEUP_GRANULARITY)), weightOf(waiting.view))
  }

  close(account: CfsAccount): void {
    this.#competing = this.#competing.filter((one) => one !== account)
  }

  #raiseFloor(): void {
    if (this.#competing.length > 0) this.#floor = Math.max(this.#floor, Math.min(...this.#competing.map(({ state }) => state.vruntime)))
  }
}
