/**
 * A scheduling policy with a memory: one instance holds one run queue.
 *
 * The owner (a scheduler actor, or the drive of the suite) tells it what happens and asks it what to do. Times are ticks, given by the
 * owner; chance comes from the seed; so the same calls give the same answers. What an owner must keep to:
 *
 *   enqueue → pick → (runs) → charge → enqueue again at once ("slice", "yield", "preempt"), later ("blocked" → "wake"), or never ("dead").
 *
 * After enqueue as "wake", with no CPU idle, the owner asks `preempts` and, where a CPU is named, picks for it although it runs a task.
 * A pick that was refused is enqueued as "refused" without a charge. A task that goes to another queue is removed. `offer` is said
 * before the picks of one instant. Calls about tasks that the queue does not know do nothing: a claim may be old news.
 */
import type { TaskView } from "@backplane/schedule-contract/task-view"
import type { QueueLayout } from "@backplane/scenario-machine/policy-layouts"
import type { QueueSettings } from "./queue-settings.ts"
import type { StealStrategy } from "./policy.ts"

/**
 * Why a task becomes waiting: created; awake; its slice was over; it gave way; another was preferred before its slice was over; came from
 * another queue; the pick was refused.
 */
export type EnqueueReason = "new" | "wake" | "slice" | "yield" | "preempt" | "steal" | "refused"
/** Why a run ended. */
export type ChargeReason = "slice" | "blocked" | "yield" | "preempt" | "dead"

export interface QueuePolicy {
  /** Waiting tasks. */
  readonly length: number
  /** The task, if it waits. */
  find(task: string): TaskView | undefined
  /** Waiting tasks, those that have waited longest in the queue first. */
  waiting(): readonly TaskView[]
  /** A task waits. A newer view of one that waits already replaces the older one; an older view is ignored. */
  enqueue(task: TaskView, now: number, why: EnqueueReason): void
  /** Forgets a task, whatever it does. Returns it if it was waiting. */
  remove(task: string): TaskView | undefined
  /** These CPUs are idle now and will be asked for in this order. */
  offer(idleCpus: readonly number[], now: number): void
  /** Takes the task that is to run on `cpu`. */
  pick(cpu: number, now: number): TaskView | undefined
  /** The waiting task that it would hand to the thief's CPU. It stays until removed. */
  give(thiefCpu: number): TaskView | undefined
  /** A picked task ran so many ticks, and why it stopped. */
  charge(task: string, ranTicks: number, why: ChargeReason, now: number): void
  /** The busy CPU that had better run this waiting task than go on with what was picked for it. Absent: a run is never cut short. */
  preempts?(task: string, now: number): number | undefined
  /**
   * Who gave way says that this task had better run, such as the holder of a lock: a hint, about a task that may not be here. Said after
   * the giver was enqueued. Absent: not heeded.
   */
  favour?(task: string, now: number): void
  /** How long the picked task may run; at least 1. */
  sliceTicks(task: string): number
  /** What nodes say of an idle CPU, before it is offered. */
  note?(cpu: IdleCpu): void
  /** Tasks picked in one instant whose group is the same start all or none. Absent, undefined: by itself. */
  groupOf?(task: string): string | undefined
  /** Row of the CPU's table of speeds for the picked task. Absent: the fastest. */
  speedIndex?(task: string, cpu: number, now: number): number
  /** Row of the table of idle states for a CPU that gets nothing. Absent: the shallowest. */
  idleDepth?(cpu: number, now: number): number
}

/** An idle CPU, as far as a policy may care. */
export interface IdleCpu {
  readonly cpu: number
  /** Waiting tasks whose working sets are in its cache. */
  readonly hot: readonly string[]
  /** Address space of what ran there last; null: none, or not known. */
  readonly space: string | null
}

/** A policy by name: how to make an instance, and what an owner must know beforehand. */
export interface QueuePolicyKind {
  readonly name: string
  /** One line for people. */
  readonly summary: string
  readonly layout: QueueLayout
  /** Aligned: slices end at the multiples of the machine's slice, for all CPUs at once; own: as long as `sliceTicks` says. */
  readonly slices: "aligned" | "own"
  /** How an owner whose queue is empty looks for work elsewhere. */
  readonly steal: StealStrategy
  /** As in `Policy`. */
  readonly evensOut?: true
  /** Why a CPU may stay idle beside work that it could do; absent: it never does. */
  readonly leavesIdle?: string
  create(settings: QueueSettings): QueuePolicy
}
