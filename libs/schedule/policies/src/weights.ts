/**
 * Weights, and virtual ticks: the time that a task of a weight gets through while it runs.
 *
 * A virtual tick is what a tick is to a task of weight 100. It is counted in whole parts of 1/65536, so that sums are exact and every
 * host, in any language, comes to the same decisions.
 */
import { WEIGHT_DEFAULT, type TaskView } from "@backplane/schedule-contract/task-view"

/** Parts of a virtual tick. */
export const VIRTUAL_TICK = 65_536

export function weightOf(view: TaskView): number {
  return view.weight ?? WEIGHT_DEFAULT
}

/** Virtual time of a run of so many ticks, in parts; rounded down, at least 1 for a run of a tick or more. */
export function virtualOf(ticks: number, weight: number): number {
  return ticks <= 0 ? 0 : Math.max(1, Math.floor((ticks * VIRTUAL_TICK * WEIGHT_DEFAULT) / weight))
}
