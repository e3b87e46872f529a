/**
 * The part in which policies differ: an order of the waiting tasks, and an account of what each task got.
 *
 * Who is waiting, running or away is kept by `PolicyQueue`, which alone calls these; so a discipline need not check for repeats,
 * unknown tasks or old views. Neither knows of messages.
 */
import type { TaskView } from "@backplane/schedule-contract/task-view"
import type { ChargeReason, EnqueueReason, IdleCpu } from "./queue-policy.ts"

/** One task that the queue knows, and what the discipline (`State`) remembers of it. */
export interface Account<State> {
  view: TaskView
  /** `between`: charged, and to be enqueued or gone for a while. */
  place: "waiting" | "running" | "between"
  /** Grows with each enqueue: who has waited longest has the least. */
  since: number
  readonly state: State
  /** While it runs on a CPU that nothing else was picked for since: where, and since when. */
  run: { readonly cpu: number; readonly since: number } | null
}

export interface Discipline<State> {
  /** The order of the waiting depends on weights: one whose weight changes is taken out and put in again. */
  readonly isWeighted?: boolean
  /** What is remembered of a task seen for the first time. */
  open(view: TaskView, now: number): State
  /** The task waits from now on. */
  insert(account: Account<State>, now: number, why: EnqueueReason): void
  /** The task no longer waits: picked, or removed. */
  delete(account: Account<State>): void
  /** The waiting task to run on `cpu`. */
  choose(cpu: number, now: number): Account<State> | undefined
  /** The waiting task to hand to a thief's CPU. */
  give(thiefCpu: number): Account<State> | undefined
  /** The task ran. */
  charge(account: Account<State>, ranTicks: number, why: ChargeReason, now: number): void
  sliceTicks(account: Account<State>): number
  /**
   * How much better it is to run the waiting task now than to go on with the running one; 0 or less: it is not. Asked when a task wakes.
   * Absent: a slice is never cut short.
   */
  preemptGain?(waiting: Account<State>, running: Account<State>, ranTicks: number): number
  /** Who gave way would rather see this waiting task run. */
  favour?(account: Account<State>): void
  /** As in `QueuePolicy`. */
  note?(cpu: IdleCpu): void
  groupOf?(account: Account<State>): string | undefined
  speedIndex?(account: Account<State>, cpu: number, now: number): number
  idleDepth?(cpu: number, now: number): number
  /** The task is forgotten while it is not waiting. `wasRunning`: without a charge. */
  close?(account: Account<State>): void
  /** Before anything else at a later tick: for what happens by time alone. */
  advance?(now: number, accounts: ReadonlyMap<string, Account<State>>): void
  /** Before the picks of an instant. */
  offer?(idleCpus: readonly number[], now: number): void
}
