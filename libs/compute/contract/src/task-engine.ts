/**
 * What a CPU of a node runs its tasks with. Synthetic jobs (compute/synthetic) and RV64 guests (trap/guest) are two of them; the
 * node knows neither, the app that makes the node joins them.
 *
 * Not here: which CPU, for how long, and why (the node's dispatcher and the schedulers). Synchronous and metered by ticks: the same
 * calls give the same result.
 */
import type { GuestOutcome } from "./guest-state.ts"
import type { TaskSpec, TaskToken } from "./task-messages.ts"

/** The cache of a CPU, as far as what runs there may look at it and wear it in. */
export interface TaskCache {
  isHot(task: string): boolean
  /** The task has run one tick here while its working set was not in. */
  ranTick(task: string, workingSet: number): void
  /** A copy to try things on. */
  clone(): TaskCache
}

/** A slice of a task on a CPU. */
export interface TaskSlice {
  readonly cache: TaskCache
  /** Tick at which it begins. */
  readonly fromTick: number
  /** At least 1. */
  readonly budgetTicks: number
  /** Work that a tick does, of 1024 of what it does alone on a core at full speed, near its memory; not given: 1024. */
  readonly speed?: number
}

/** What counts as one in a cache: tasks of one address space share what is in it. */
export function cacheKeyOf({ task, space }: Pick<TaskSpec, "task" | "space">): string {
  return space === undefined ? task : `space ${space}`
}

/** How far a task has advanced a channel (an event count): a level that only grows, so it may be told again and late. */
export interface ChannelLevel {
  readonly channel: string
  readonly level: number
}

/** A level that a task waits for without sleeping. With `to` it looks for a tick only, and then gives way, rather to that task. */
export interface Spin extends ChannelLevel {
  readonly to?: string
}

/**
 * Why a slice ended before its budget although the task is not done.
 *
 * blocked: it cannot go on before `wakeTick` (null: before something wakes it), or before the channel's level is reached; a level that is
 * there already blocks nobody. With `spin` it does not sleep meanwhile: it keeps its CPU busy, and may be preempted. yield: it gives way, rather to
 * the task `to` (the holder of a lock) where it says so: a hint to the scheduler, no more. step: it goes on at once in the same slice, but the node has to take note of what
 * happened up to here (signals, tasks that it woke).
 */
export type SlicePause =
  | { readonly kind: "blocked"; readonly wakeTick: number | null; readonly awaits?: Spin; readonly spin?: true }
  | { readonly kind: "yield"; readonly to?: string }
  | { readonly kind: "step" }

export interface SliceOutcome {
  /** Work left, units; 0 for what has no such measure. */
  readonly left: number
  /** Ticks used, at most the budget; less only when the task is done or pauses. */
  readonly ticks: number
  /** Of them, the last ones, with the working set in the cache (0 where that makes no difference to the machine). */
  readonly warmTicks: number
  readonly finished: boolean
  /** Absent: it is done, or the budget is used up. */
  readonly pause?: SlicePause
  /** Channels that the task has advanced in this run, with how far it has advanced each in all its life. */
  readonly signals?: readonly ChannelLevel[]
}

/** Something from outside for a task: a key typed, a disk's answer. `data` is the business of the engine. */
export interface TaskMail {
  /** Which device or purpose; as the engine names it. */
  readonly port: string
  /** +1 for each piece of a port, from 1: a repeat is known by it. */
  readonly seq: number
  readonly data: string
}

/** The fields of a token that only the engine of the task understands. */
export type TaskProgress = Pick<TaskToken, "left" | "part" | "guest">

/** A task that lies on this node. */
export interface EngineTask {
  /**
   * How many ticks `run` would use now; of a slice that takes the host long only a part, and it is planned again after that: no step of a node may take long. Changes nothing
   * that anybody sees: the task may still be dropped.
   */
  plan(slice: TaskSlice): number
  /**
   * Runs it. Follows a `plan`, but with another budget where the slice's end was noticed late (greater) or the CPU was taken away
   * (preemption, a void task: smaller). Only `budgetTicks` have passed then: an end or a pause that lies beyond is not reported yet. What
   * takes the host real time need not make up for ticks beyond the plan: it has used them.
   */
  run(slice: TaskSlice): SliceOutcome
  /** What moves with the task. Only between two slices. */
  progress(): TaskProgress
  /** After it has finished: what came of it, where there is more to say than that. */
  outcome(): GuestOutcome | null
  /**
   * Takes in something from outside, at any time between two slices, also while it is planned to run. "again": it had it. "refused": it
   * has no such port, or the sequence has a gap. Absent: nothing can be told to such a task.
   */
  receive?(mail: TaskMail): "taken" | "again" | "refused"
  /** It ended here, left, or is void: what it held of this process may go. */
  close(): void
}

export interface TaskEngine {
  /**
   * A reason why the task cannot run, from its beginning (`progress` null) or from where another node left off; or null. The one place
   * where what came from elsewhere is judged.
   */
  refusal(spec: TaskSpec, progress: TaskProgress | null): string | null
  /** From its beginning (`progress` null), or from where another node left off. Not refused before. */
  open(spec: TaskSpec, progress: TaskProgress | null): EngineTask
  /**
   * Names of tasks that were told to be blocked and can go on after all: each named once a block. The node asks after every `run` and every
   * `receive`, when it has taken note of the pause. What comes between a plan and its run is the engine's to remember: such a task is
   * named after the run that reports it blocked. Absent: only ticks and channels wake its tasks.
   */
  takeWakes?(): readonly string[]
}
