/**
 * A run queue under a discipline: keeps which task waits, runs or is away, and tells the discipline only what really changes.
 *
 * Invariants: Q1 a task has one account; Q2 the discipline holds exactly the accounts whose place is "waiting"; Q3 time does not go back.
 */
import type { TaskView } from "@backplane/schedule-contract/task-view"
import type { Account, Discipline } from "./discipline.ts"
import { mayRun } from "./policy.ts"
import type { ChargeReason, EnqueueReason, IdleCpu, QueuePolicy } from "./queue-policy.ts"
import { weightOf } from "./weights.ts"

export class PolicyQueue<State> implements QueuePolicy {
  readonly #discipline: Discipline<State>
  readonly #accounts = new Map<string, Account<State>>()
  /** What was picked last for each CPU, while it runs. */
  readonly #onCpus = new Map<number, Account<State>>()
  #length = 0
  #enqueued = 0
  #now = Number.NEGATIVE_INFINITY

  constructor(discipline: Discipline<State>) {
    this.#discipline = discipline
  }

  get length(): number {
    return this.#length
  }

  waiting(): readonly TaskView[] {
    return [...this.#accounts.values()]
      .filter((account) => account.place === "waiting")
      .sort((a, b) => a.since - b.since)
      .map((account) => account.view)
  }

  find(task: string): TaskView | undefined {
    const account = this.#accounts.get(task)
    return account?.place === "waiting" ? account.view : undefined
  }

  enqueue(view: TaskView, now: number, why: EnqueueReason): void {
    this.#advance(now)
    const known = this.#accounts.get(view.task)
    if (known !== undefined && view.taskSeq < known.view.taskSeq) return
    if (known?.place === "waiting") return this.#replace(known, view, now)
    const account = known ?? this.#open(view, now)
    account.view = view
    this.#insert(account, now, why)
  }

  #open(view: TaskView, now: number): Account<State> {
    const account: Account<State> = { view, place: "between", since: 0, state: this.#discipline.open(view, now), run: null }
    this.#accounts.set(view.task, account)
    return account
  }

  #insert(account: Account<State>, now: number, why: EnqueueReason): void {
    this.#leaveCpu(account)
    account.place = "waiting"
    account.since = this.#enqueued++
    this.#length++
    this.#discipline.insert(account, now, why)
  }

  /** A task that waits is told of again. A changed weight may change its place in the order; anything else is only noted. */
  #replace(account: Account<State>, view: TaskView, now: number): void {
    if (this.#discipline.isWeighted !== true || weightOf(view) === weightOf(account.view)) return void (account.view = view)
    this.#take(account)
    account.place = "between"
    this.#discipline.close?.(account)
    account.view = view
    this.#insert(account, now, "slice")
  }

  remove(task: string): TaskView | undefined {
    const account = this.#accounts.get(task)
    if (account === undefined) return undefined
    const wasWaiting = account.place === "waiting"
    if (wasWaiting) this.#take(account)
    this.#forget(account)
    return wasWaiting ? account.view : undefined
  }

  offer(idleCpus: readonly number[], now: number): void {
    this.#advance(now)
    this.#discipline.offer?.(idleCpus, now)
  }

  pick(cpu: number, now: number): TaskView | undefined {
    this.#advance(now)
    const account = this.#discipline.choose(cpu, now)
    if (account === undefined) return undefined
    this.#take(account)
    account.place = "running"
    const before = this.#onCpus.get(cpu)
    if (before !== undefined) before.run = null
    account.run = { cpu, since: now }
    this.#onCpus.set(cpu, account)
    return account.view
  }

  favour(task: string, now: number): void {
    this.#advance(now)
    const account = this.#accounts.get(task)
    if (account?.place === "waiting") this.#discipline.favour?.(account)
  }

  /** The CPU where most is gained; of equals that of the lowest number. */
  preempts(task: string, now: number): number | undefined {
    this.#advance(now)
    const account = this.#accounts.get(task)
    if (account?.place !== "waiting" || this.#discipline.preemptGain === undefined) return undefined
    let best: { readonly cpu: number; readonly gain: number } | undefined
    for (const [cpu, running] of this.#onCpus) {
      if (running.run === null || !mayRun(account.view, cpu)) continue
      const gain = this.#discipline.preemptGain(account, running, now - running.run.since)
      if (gain > 0 && (best === undefined || gain > best.gain || (gain === best.gain && cpu < best.cpu))) best = { cpu, gain }
    }
    return best?.cpu
  }

  give(thiefCpu: number): TaskView | undefined {
    return this.#discipline.give(thiefCpu)?.view
  }

  charge(task: string, ranTicks: number, why: ChargeReason, now: number): void {
    this.#advance(now)
    const account = this.#accounts.get(task)
    if (account?.place !== "running") return
    account.place = "between"
    this.#leaveCpu(account)
    this.#discipline.charge(account, ranTicks, why, now)
    if (why === "dead") this.#forget(account)
  }

  note(cpu: IdleCpu): void {
    this.#discipline.note?.(cpu)
  }

  groupOf(task: string): string | undefined {
    const account = this.#accounts.get(task)
    return account === undefined ? undefined : this.#discipline.groupOf?.(account)
  }

  speedIndex(task: string, cpu: number, now: number): number {
    const account = this.#accounts.get(task)
    return account === undefined ? 0 : (this.#discipline.speedIndex?.(account, cpu, now) ?? 0)
  }

  idleDepth(cpu: number, now: number): number {
    this.#advance(now)
    return this.#discipline.idleDepth?.(cpu, now) ?? 0
  }

  sliceTicks(task: string): number {
    const account = this.#accounts.get(task)
    return account === undefined ? 1 : Math.max(1, this.#discipline.sliceTicks(account))
  }

  #take(account: Account<State>): void {
    this.#length--
    this.#discipline.delete(account)
  }

  #leaveCpu(account: Account<State>): void {
    if (account.run !== null) this.#onCpus.delete(account.run.cpu)
    account.run = null
  }

  #forget(account: Account<State>): void {
    this.#leaveCpu(account)
    this.#discipline.close?.(account)
    this.#accounts.delete(account.view.task)
  }

  #advance(now: number): void {
    if (now <= this.#now) return
    this.#now = now
    this.#discipline.advance?.(now, this.#accounts)
  }
}
