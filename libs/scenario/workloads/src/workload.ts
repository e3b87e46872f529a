/**
 * A workload: a question to a scheduling policy, as a machine with tasks that is drawn from a seed.
 *
 * Only data: a workload names no policy, so that every policy is put to the same drawn sets.
 */
import type { Random } from "@backplane/foundation-base/random"
import type { MachineInput } from "@backplane/scenario-machine/resolve"

/** A machine without the choice of a policy. */
export type DrawnMachine = Omit<MachineInput, "seed" | "name">

export type DrawnJob = NonNullable<MachineInput["jobs"]>[number]

export interface Workload {
  readonly name: string
  /** What it asks of a policy: one line for people. */
  readonly question: string
  /** Tasks whose names begin so are those whose latencies are the point; absent: all. */
  readonly focus?: string
  /** Measures that answer the question, most telling first. */
  readonly columns: readonly string[]
  /** `set`: number of the drawn set; `random`: its stream of chance. */
  draw(random: Random, set: number): DrawnMachine
}

/** A cache that makes no difference: where shares and latencies are the point, work takes its own time. */
export const PLAIN_CACHE = { size: 100, warmupTicks: 0, warmRate: 1 } as const

export function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index))
}
