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
  /** At least 1. */
  readonly budgetTicks: number
}

export interface SliceOutcome {
  /** Work left, units; 0 for what has no such measure. */
  readonly left: number
  /** Ticks used, at most the budget; less only when the task is done. */
  readonly ticks: number
  /** Of them, the last ones, with the working set in the cache (0 where that makes no difference to the machine). */
  readonly warmTicks: number
  readonly finished: boolean
}

/** The fields of a token that only the engine of the task understands. */
export type TaskProgress = Pick<TaskToken, "left" | "guest">

/** A task that lies on this node. */
export interface EngineTask {
  /** How many ticks `run` would use now. Changes nothing that anybody sees: the task may still be dropped. */
  plan(slice: TaskSlice): number
  /** Runs it. Follows a `plan` of the same budget, or of a smaller one where the slice's end was noticed late. */
  run(slice: TaskSlice): SliceOutcome
  /** What moves with the task. Only between two slices. */
  progress(): TaskProgress
  /** After it has finished: what came of it, where there is more to say than that. */
  outcome(): GuestOutcome | null
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
}
