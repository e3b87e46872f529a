/**
 * One queue in turn, but a CPU may take a task that suits it better from farther back: with patience, so that the oldest is not
 * passed over for ever. The part that `sqms-affinity` and `numa` share; they differ in what suits.
 */
import type { TaskView } from "@backplane/schedule-contract/task-view"
import type { Account, Discipline } from "./discipline.ts"
import { mayRun } from "./policy.ts"
import type { EnqueueReason } from "./queue-policy.ts"
import { TaskList } from "./structures/task-list.ts"

export interface PreferringState {
  /** Times that a task behind it was taken by a CPU on which it could have run. */
  passed: number
}

type PreferringAccount = Account<PreferringState>

export interface PreferringOptions {
  readonly sliceTicks: number
  /** How badly a task suits a CPU: 0 well, then 1, 2, … up to `misfitMost`. */
  readonly misfit: (view: TaskView, cpu: number) => number
  /** Told where a task was put. */
  readonly onTaken?: (task: string, cpu: number) => void
  /** Told that a task is forgotten. */
  readonly onGone?: (task: string) => void
  readonly misfitMost: number
  /** A task that was passed over so often is next wherever it may run. */
  readonly passesMax: number
}

export class PreferringDiscipline implements Discipline<PreferringState> {
  readonly #options: PreferringOptions
  readonly #list = new TaskList<PreferringAccount>()

  constructor(options: PreferringOptions) {
    this.#options = options
  }

  open(): PreferringState {
    return { passed: 0 }
  }

  insert(account: PreferringAccount, _now: number, why: EnqueueReason): void {
    if (why === "refused") return this.#list.pushFront(account)
    account.state.passed = 0
    this.#list.pushBack(account)
  }

  delete(account: PreferringAccount): void {
    this.#list.remove(account)
  }

  choose(cpu: number): PreferringAccount | undefined {
    const oldest = this.#list.find((account) => mayRun(account.view, cpu))
    const taken = this.#forCpu(oldest, cpu)
    if (taken !== undefined) this.#options.onTaken?.(taken.view.task, cpu)
    return taken
  }

  #forCpu(oldest: PreferringAccount | undefined, cpu: number): PreferringAccount | undefined {
    if (oldest === undefined || oldest.state.passed >= this.#options.passesMax) return oldest
    const best = this.#best(cpu)
    if (best !== oldest) oldest.state.passed++
    return best
  }

  close({ view }: PreferringAccount): void {
    this.#options.onGone?.(view.task)
  }

  #best(cpu: number): PreferringAccount | undefined {
    for (let misfit = 0; misfit <= this.#options.misfitMost; misfit++) {
      const found = this.#list.find(({ view }) => mayRun(view, cpu) && this.#options.misfit(view, cpu) <= misfit)
      if (found !== undefined) return found
    }
    return undefined
  }

  give(thiefCpu: number): PreferringAccount | undefined {
    return this.#best(thiefCpu)
  }

  charge(): void {}

  sliceTicks(): number {
    return this.#options.sliceTicks
  }
}
