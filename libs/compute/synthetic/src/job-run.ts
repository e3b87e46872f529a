/**
 * A synthetic job on a CPU: how far it gets in how many ticks. The engine of a CPU that runs jobs instead of instructions.
 *
 * One unit of work a tick while the cache is cold for it, `warmRate` once its working set is in. The work left never goes below 0;
 * the tick that brings it to 0 is used whole; a job without work still takes one tick. Where a CPU is slower than it could be (a second
 * thread on its core, a lower frequency, far memory) a tick does less, counted in parts of a unit, so that nothing is lost by rounding.
 */
import type { TaskCache } from "@backplane/compute-contract/task-engine"

export interface RunningJob {
  readonly name: string
  readonly workingSet: number
}

/** Parts of a unit of work, and of the full speed. */
export const UNIT_PARTS = 1024

export interface RunOutcome {
  readonly left: number
  /** Of the unit that is in progress: what is done of it. */
  readonly part: number
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
  options: {
    readonly left: number
    readonly part?: number
    readonly budgetTicks: number
    readonly warmRate: number
    /** Of 1024; not given: full. */
    readonly speed?: number
  },
): RunOutcome {
  const { budgetTicks, warmRate, speed = UNIT_PARTS } = options
  let parts = options.left * UNIT_PARTS - (options.part ?? 0)
  let ticks = 0
  let warmTicks = 0
  while (ticks < budgetTicks) {
    if (cache.isHot(job.name)) {
      // Nothing can push a hot set out while its job runs: the rest goes at one rate, however long.
      const steps = Math.min(budgetTicks - ticks, Math.max(1, Math.ceil(parts / (warmRate * speed))))
      ticks += steps
      warmTicks += warmRate > 1 ? steps : 0
      parts = Math.max(0, parts - steps * warmRate * speed)
    } else {
      ticks++
      parts = Math.max(0, parts - speed)
      cache.ranTick(job.name, job.workingSet)
    }
    if (parts === 0) return { left: 0, part: 0, ticks, warmTicks, finished: true }
  }
  const left = Math.ceil(parts / UNIT_PARTS)
  return { left, part: left * UNIT_PARTS - parts, ticks, warmTicks, finished: false }
}
