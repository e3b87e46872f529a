/**
 * A synthetic job on a CPU: how far it gets in how many ticks. The engine of a CPU that runs jobs instead of instructions.
 *
 * One unit of work a tick while the cache is cold for it, `warmRate` once its working set is in. The work left never goes below 0;
 * the tick that brings it to 0 is used whole; a job without work still takes one tick.
 */
import type { TaskCache } from "@backplane/compute-contract/task-engine"

export interface RunningJob {
  readonly name: string
  readonly workingSet: number
}

export interface RunOutcome {
  readonly left: number
  /** Ticks used, at most the budget. */
  readonly ticks: number
  /** Of them, ticks at the warm rate (0 when the warm rate is 1: then warm and cold are the same). */
  readonly warmTicks: number
  readonly finished: boolean
}

/** Runs the job for at most `budgetTicks` on a CPU with this cache, which changes as the job warms up. */
export function runJob(
  cache: TaskCache,
  job: RunningJob,
  options: { readonly left: number; readonly budgetTicks: number; readonly warmRate: number },
): RunOutcome {
  const { budgetTicks, warmRate } = options
  let left = options.left
  let ticks = 0
  let warmTicks = 0
  while (ticks < budgetTicks) {
    if (cache.isHot(job.name)) {
      // Nothing can push a hot set out while its job runs: the rest goes at one rate, however long.
      const steps = Math.min(budgetTicks - ticks, Math.max(1, Math.ceil(left / warmRate)))
      ticks += steps
      warmTicks += warmRate > 1 ? steps : 0
      left = Math.max(0, left - steps * warmRate)
    } else {
      ticks++
      left = Math.max(0, left - 1)
      cache.ranTick(job.name, job.workingSet)
    }
    if (left === 0) return { left, ticks, warmTicks, finished: true }
  }
  return { left, ticks, warmTicks, finished: false }
}
