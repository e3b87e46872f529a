/** What a node shows of itself to people and checkers. No message: nothing may depend on it but checkers and screens. */
import type { HeldTask } from "@backplane/compute-contract/task-messages"
import type { Json } from "@backplane/foundation-base/json"
import type { Cpu } from "./cpu.ts"
import { heldOf, type Task } from "./task-table.ts"

/** Types, not interfaces: only those are JSON by shape. */
export type TaskInspection = HeldTask & {
  readonly taskSeq: number
  readonly run: number
  readonly workingSet: number
  readonly left: number
  readonly runtime: number
  readonly home: number
  readonly cpu: number | null
  readonly affinity: readonly number[]
}

export type CpuInspection = {
  readonly cpu: number
  readonly state: "offline" | "idle" | "fetching" | "running"
  /** The task that it runs, or waits for. */
  readonly task: string | null
  readonly busyTicks: number
  readonly warmTicks: number
  /** Cycles that it was idle while the task waited that it ran then: for decisions. */
  readonly lostCycles: number
  /** Tick since which it is in this state. */
  readonly sinceTick: number
  /** The last run lengths: from, to, task, warm since. */
  readonly recent: readonly (readonly [number, number, string, number])[]
}

/** Run lengths that an inspection shows. */
const RECENT_MAX = 32

export type NodeInspection = {
  readonly node: number
  readonly incarnation: number
  readonly epoch: number
  readonly policy: string
  readonly dispatches: number
  readonly bypasses: number
  readonly prefetched: number
  readonly cpus: readonly CpuInspection[]
  readonly tasks: readonly TaskInspection[]
  /** Tasks that left and whose arrival is not confirmed. */
  readonly leaving: readonly string[]
  /** Requests and notices that wait for an answer: 0 when all is said. */
  readonly unanswered: number
  /** What runs VMs here says of them; null where none can run. */
  readonly vms: Json
}

export function inspectCpu(cpu: Cpu): CpuInspection {
  const { index, state, busyTicks, warmTicks, lostCycles } = cpu
  const task = state.kind === "running" ? state.task.spec.task : state.kind === "fetching" ? state.task : null
  const sinceTick = state.kind === "running" ? state.fromTick : state.kind === "offline" ? -1 : state.sinceTick
  return { cpu: index, state: state.kind, task, busyTicks, warmTicks, lostCycles, sinceTick, recent: cpu.recent(RECENT_MAX) }
}

export function inspectTask(task: Task): TaskInspection {
  const { spec, taskSeq, left, runtime, home, cpu } = task
  const { run, workingSet, affinity } = spec
  return { ...heldOf(task), taskSeq, run, workingSet, left, runtime, home, cpu, affinity }
}
