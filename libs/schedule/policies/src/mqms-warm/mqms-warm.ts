/** Multi-queue scheduling with cache-aware stealing: see README.md beside this file. */
import type { TaskView } from "@backplane/schedule-contract/task-view"
import { firstThatMayRun, mayRun, type Policy } from "../policy.ts"

/** With so many behind it a task runs for two slices: sets that do not fit together are warmed half as often. */
const MANY_WAITING = 2

export const mqmsWarm: Policy = {
  name: "mqms-warm",
  steal: "offers",
  pick: firstThatMayRun,
  slices: (waiting) => (waiting >= MANY_WAITING ? 2 : 1),
  give: leastLoss,
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

function leastLoss(waiting: readonly TaskView[], cpu: number): number {
  let best = -1
  for (const [index, task] of waiting.entries()) {
    if (!mayRun(task, cpu)) continue
    if (best < 0 || compareLoss(task, waiting[best] as TaskView, cpu) < 0) best = index
  }
  return best
}
