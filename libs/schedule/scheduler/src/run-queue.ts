/**
 * The claims of this scheduler on waiting tasks: an instance of the policy of the day holds them.
 *
 * Invariants: a task is here once; a newer view of it replaces the older one; nothing is handed to the policy before the first tick.
 */
import type { TaskView } from "@backplane/schedule-contract/task-view"
import type { ChargeReason, EnqueueReason, IdleCpu, QueuePolicy } from "@backplane/schedule-policies/queue-policy"

export class RunQueue {
  /** Anew with each policy. */
  #policy: QueuePolicy
  /** Told of before the first tick: they line up in the order of their creation, whichever node told of them first. */
  #early: TaskView[] = []

  constructor(policy: QueuePolicy) {
    this.#policy = policy
  }

  /** Another policy has begun: nothing is kept. */
  beginAnew(policy: QueuePolicy): void {
    this.#policy = policy
    this.#early = []
  }

  /** Oldest first. */
  get waiting(): readonly TaskView[] {
    return [...this.#policy.waiting(), ...this.#early]
  }

  get length(): number {
    return this.#policy.length + this.#early.length
  }

  enqueueEarly(task: TaskView): void {
    this.#early = [...this.#early.filter((one) => one.task !== task.task), task].sort((a, b) => a.ordinal - b.ordinal)
  }

  /** The ticks have begun. */
  #lineUp(tick: number): void {
    const early = this.#early
    if (early.length === 0) return
    this.#early = []
    for (const task of early) this.#policy.enqueue(task, tick, "new")
  }

  enqueue(task: TaskView, tick: number, why: EnqueueReason): void {
    this.#lineUp(tick)
    this.#policy.enqueue(task, tick, why)
  }

  /** A claim that was not used after all goes back to the head; what has been heard of the task meanwhile counts more. */
  putBack(task: TaskView, tick: number): void {
    if (this.find(task.task) === undefined) this.enqueue(task, tick, "refused")
  }

  charge(task: string, run: { readonly ranTicks: number; readonly why: ChargeReason }, tick: number): void {
    this.#policy.charge(task, run.ranTicks, run.why, tick)
  }

  /** Who gave way would rather see this task run. */
  favour(task: string, tick: number): void {
    this.#policy.favour?.(task, tick)
  }

  /** The task left its CPU and sleeps: it is remembered, and not waiting. */
  block(task: string, run: { readonly taskSeq: number; readonly ranTicks: number }, tick: number): void {
    this.#policy.charge(task, run.ranTicks, "blocked", tick)
    const claim = this.find(task)
    if (claim !== undefined && claim.taskSeq <= run.taskSeq) this.forget(task)
  }

  /** The CPU that had better run this waiting task at once. */
  preempts(task: string, tick: number): number | undefined {
    return this.#policy.preempts?.(task, tick)
  }

  offer(idleCpus: readonly number[], tick: number): void {
    this.#lineUp(tick)
    this.#policy.offer(idleCpus, tick)
  }

  pick(cpu: number, tick: number): TaskView | undefined {
    return this.#policy.pick(cpu, tick)
  }

  sliceTicks(task: string): number {
    return this.#policy.sliceTicks(task)
  }

  note(cpu: IdleCpu): void {
    this.#policy.note?.(cpu)
  }

  groupOf(task: string): string | undefined {
    return this.#policy.groupOf?.(task)
  }

  speedIndex(task: string, cpu: number, tick: number): number {
    return this.#policy.speedIndex?.(task, cpu, tick) ?? 0
  }

  idleDepth(cpu: number, tick: number): number {
    return this.#policy.idleDepth?.(cpu, tick) ?? 0
  }

  give(thiefCpu: number, tick: number): TaskView | undefined {
    this.#lineUp(tick)
    return this.#policy.give(thiefCpu)
  }

  find(task: string): TaskView | undefined {
    return this.#policy.find(task) ?? this.#early.find((one) => one.task === task)
  }

  /** Removes the claim if it is on this state of the task or on an older one. */
  remove(task: string, taskSeq: number): void {
    const claim = this.find(task)
    if (claim === undefined || claim.taskSeq <= taskSeq) this.forget(task)
  }

  /** Nothing is remembered of the task, whether it waits or not. */
  forget(task: string): void {
    this.#early = this.#early.filter((one) => one.task !== task)
    this.#policy.remove(task)
  }

  removeIf(gone: (task: TaskView) => boolean): void {
    for (const { task } of this.waiting.filter(gone)) this.forget(task)
  }
}
