/** How near the shares that tasks got come to those that were due to them by weight. */
import { fluidRates } from "./fluid.ts"
import { onlineAt, type Occupied, type RecordedTask } from "./run-record.ts"
import { momentsOf } from "./stay-cursor.ts"

export interface Fairness {
  /**
   * Jain's index of (what a task got) / (what was due to it): 1 where all are served alike, 1/n where one has all. Jain, Chiu and
   * Hawe, "A Quantitative Measure of Fairness and Discrimination", 1984. 1 for an empty record.
   */
  readonly jain: number
  /** The most that any task was behind or ahead of what was due to it, ticks. */
  readonly lagMostTicks: number
}

/** A sleeper is not served while it sleeps, and owed nothing for it: what is due grows while a task waits or runs. */
export function fairness(record: Occupied): Fairness {
  const due = new Map<RecordedTask, number>()
  const got = new Map<RecordedTask, number>()
  let lagMostTicks = 0
  const known = new Map<string, readonly number[]>()
  for (const { from, to, present } of momentsOf(record)) {
    const wanting = present.filter(({ stay }) => stay.state !== "blocked")
    const cpus = onlineAt(record, from).length
    const key = [cpus, ...wanting.map(({ task }) => task.name)].join("\0")
    const rates =
      known.get(key) ??
      fluidRates(
        wanting.map(({ task }) => task),
        cpus,
      )
    known.set(key, rates)
    for (const [index, { task, stay }] of wanting.entries()) {
      const owed = (due.get(task) ?? 0) + (to - from) * (rates[index] ?? 0)
      const served = (got.get(task) ?? 0) + (stay.state === "running" ? to - from : 0)
      due.set(task, owed)
      got.set(task, served)
      lagMostTicks = Math.max(lagMostTicks, Math.abs(owed - served))
    }
  }
  const shares = [...due].filter(([, owed]) => owed > 0).map(([task, owed]) => (got.get(task) ?? 0) / owed)
  return { jain: jainIndex(shares), lagMostTicks }
}

export function jainIndex(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0)
  const squares = values.reduce((total, value) => total + value * value, 0)
  return squares === 0 ? 1 : (sum * sum) / (values.length * squares)
}
