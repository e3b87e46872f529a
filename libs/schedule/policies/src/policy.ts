/**
 * A scheduling policy as the scheduler actor uses it: pure choices over the waiting tasks of one queue.
 *
 * The actor keeps the queue, the claims, the messages and the retries; a policy only answers "which". One folder a policy:
 * essay (README.md), code, laws. The table of all of them is `policies.ts`; a new one is added there and nowhere else.
 */
import type { TaskView } from "@backplane/schedule-contract/task-view"

/** How a scheduler whose CPU has nothing to do looks for work elsewhere. */
export type StealStrategy =
  /** Never. */
  | "none"
  /** At each peek interval one victim, drawn at random. */
  | "peek"
  /** At once when idle: asks all, takes the best offer. */
  | "offers"
  /** As offers, but nearest first, by scheduling domains. */
  | "domains"

export interface Policy {
  readonly name: string
  readonly steal: StealStrategy
  /** Index in `waiting` (oldest first) of the task to run on `cpu`, or −1. Must name a task that may run there. */
  pick(waiting: readonly TaskView[], cpu: number): number
  /** How many slices of the machine a run of `task` lasts while these wait behind it. Absent: one, with the ends of all CPUs at once. */
  readonly slices?: (task: TaskView, waiting: readonly TaskView[], cacheSize: number) => number
  /** The oldest that may run is passed over by `pick` so often at most, and then it is next. Absent: as `pick` says. */
  readonly passesMax?: number
  /** Of those that look for offers: also a busy CPU behind whose task nobody waits takes one from where two do. */
  readonly evensOut?: true
  /** Index of the waiting task to hand to the thief's CPU, or −1. */
  give(waiting: readonly TaskView[], thiefCpu: number): number
}

export function mayRun(task: TaskView, cpu: number): boolean {
  return task.affinity.length === 0 || task.affinity.includes(cpu)
}

/** First come, first served, passing over what may not run there. */
export function firstThatMayRun(waiting: readonly TaskView[], cpu: number): number {
  return waiting.findIndex((task) => mayRun(task, cpu))
}
