/** One queue whose tasks wait a little for the CPU that is warm for them. See README.md beside this file. */
import type { TaskView } from "@backplane/schedule-contract/task-view"
import type { Account, Discipline } from "../discipline.ts"
import { mayRun } from "../policy.ts"
import { PolicyQueue } from "../policy-queue.ts"
import type { EnqueueReason, IdleCpu, QueuePolicyKind } from "../queue-policy.ts"
import { TaskList } from "../structures/task-list.ts"

/** The oldest that could run is passed over so often at most, for tasks that suit the CPU better. */
export const PATIENT_PASSES_MAX = 4

interface PatientState {
  waitingSince: number
  passed: number
}

type PatientAccount = Account<PatientState>

class PatientDiscipline implements Discipline<PatientState> {
  readonly #sliceTicks: number
  readonly #list = new TaskList<PatientAccount>()
  /** Tasks whose sets are in each CPU's cache, as the nodes said when it was idle. */
  readonly #hot = new Map<number, ReadonlySet<string>>()

  constructor(sliceTicks: number) {
    this.#sliceTicks = sliceTicks
  }

  open(_view: TaskView, now: number): PatientState {
    return { waitingSince: now, passed: 0 }
  }

  insert(account: PatientAccount, now: number, why: EnqueueReason): void {
    if (why === "refused") return this.#list.pushFront(account)
    Object.assign(account.state, { waitingSince: now, passed: 0 })
    this.#list.pushBack(account)
  }

  delete(account: PatientAccount): void {
    this.#list.remove(account)
  }

  note({ cpu, hot }: IdleCpu): void {
    this.#hot.set(cpu, new Set(hot))
  }

  /** Who suits the CPU; else who has no better one to wait for; else nobody. */
  choose(cpu: number, now: number): PatientAccount | undefined {
    const oldest = this.#list.find((account) => mayRun(account.view, cpu) && !this.#waits(account, cpu, now))
    if (oldest !== undefined && oldest.state.passed >= PATIENT_PASSES_MAX) return oldest
    const suited = this.#list.find((account) => mayRun(account.view, cpu) && this.#suits(account, cpu))
    if (suited !== undefined && oldest !== undefined && suited !== oldest) oldest.state.passed++
    return suited ?? oldest
  }

  /** It was advised to run here, or its working set is in this cache. */
  #suits({ view }: PatientAccount, cpu: number): boolean {
    if (view.preferred !== undefined && view.preferred.length > 0) return view.preferred.includes(cpu)
    return this.#hot.get(cpu)?.has(view.task) === true || (view.warm && view.lastCpu === cpu)
  }

  /** Half a slice: the CPU that is warm for it runs a slice at most, and half of that on the average. */
  #waits(account: PatientAccount, cpu: number, now: number): boolean {
    const { view, state } = account
    const hasBetter =
      view.preferred !== undefined && view.preferred.length > 0 ? !view.preferred.includes(cpu) : view.warm && view.lastCpu !== cpu
    return hasBetter && !this.#suits(account, cpu) && 2 * (now - state.waitingSince) + 1 < this.#sliceTicks
  }

  give(thiefCpu: number): PatientAccount | undefined {
    return this.#list.find((account) => mayRun(account.view, thiefCpu))
  }

  charge(): void {}

  sliceTicks(): number {
    return this.#sliceTicks
  }
}

export const patient: QueuePolicyKind = {
  name: "patient",
  summary: "one queue; a task waits up to half a slice for the CPU that is warm for it",
  layout: "all",
  slices: "own",
  steal: "none",
  leavesIdle: "a task whose working set is in another CPU's cache waits up to half a slice for that CPU",
  create: ({ sliceTicks }) => new PolicyQueue(new PatientDiscipline(sliceTicks)),
}
