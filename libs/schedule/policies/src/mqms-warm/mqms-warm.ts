/** Multi-queue scheduling with cache-aware stealing: see README.md beside this file. */
import type { TaskView } from "@backplane/schedule-contract/task-view"
import { mayRun, type Policy } from "../policy.ts"

/** So often the oldest is passed over by those that have run less. */
export const WARM_PASSES_MAX = 2
/** A run, in slices, where the working sets of the queue do not fit together: then they are warmed half as often. */
const LONG_SLICES = 2

export const mqmsWarm: Policy = {
  name: "mqms-warm",
  steal: "offers",
  evensOut: true,
  passesMax: WARM_PASSES_MAX,
  pick: (waiting, cpu) => best(waiting, cpu, (a, b) => a.runtime - b.runtime),
  slices: (task, waiting, cacheSize) => (waiting.length > 0 && !fit([task, ...waiting], cacheSize) ? LONG_SLICES : 1),
  give: (waiting, cpu) => best(waiting, cpu, (a, b) => compareLoss(a, b, cpu)),
}

function fit(tasks: readonly TaskView[], cacheSize: number): boolean {
  return tasks.reduce((sum, { workingSet }) => sum + workingSet, 0) <= cacheSize
}

/** Index of the first that may run there and that none comes before; −1: none may. */
function best(waiting: readonly TaskView[], cpu: number, compare: (a: TaskView, b: TaskView) => number): number {
  let best = -1
  for (const [index, task] of waiting.entries())
    if (mayRun(task, cpu) && (best < 0 || compare(task, waiting[best] as TaskView) < 0)) best = index
  return best
}

/**
 * Orders two tasks by what is lost when they move to `cpu`: first one that is warm there, then one that is warm nowhere, then the one
 * that has run least (it has least to lose, and by all odds most still to do). Below 0: `a` loses less.
 */
export function compareLoss(a: TaskView, b: TaskView, cpu: number): number {
  return lossClass(a, cpu) - lossClass(b, cpu) || a.runtime - b.runtime || a.ordinal - b.ordinal
}

/** 0: warm at the thief's. 1: warm nowhere. 2: warm where it is. */
export function lossClass(task: TaskView, cpu: number): number {
  if (!task.warm) return 1
  return task.lastCpu === cpu ? 0 : 2
}
