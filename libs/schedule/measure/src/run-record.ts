/**
 * What happened in a run, as the measures need it: where each task was at every tick, and what scheduling cost.
 *
 * Only data. Made from a machine's own events by `run-recorder.ts`, or by hand in tests.
 */

/** Why a task began to wait: created; awake; its slice was over; it gave way; it was put off for another reason. */
export type WaitReason = "new" | "wake" | "slice" | "yield" | "other"

/** A stretch of a task's life, ticks [from, to). Stays of a task follow one another without gap or overlap. */
export type Stay =
  | { readonly state: "waiting"; readonly from: number; readonly to: number; readonly why: WaitReason }
  | { readonly state: "running"; readonly from: number; readonly to: number; readonly cpu: number; readonly warmTicks: number }
  | { readonly state: "blocked"; readonly from: number; readonly to: number }

export interface RecordedCpu {
  readonly cpu: number
  readonly node: number
}

export interface RecordedTask {
  readonly name: string
  readonly weight: number
  /** CPUs that may run it; empty: any. */
  readonly affinity: readonly number[]
  /** Node of its frames when it began. */
  readonly home: number
  /** In order of time; empty for a task that never came. */
  readonly stays: readonly Stay[]
  /** First tick after its last; null: not finished. */
  readonly finishTick: number | null
}

export interface RunRecord {
  readonly cpus: readonly RecordedCpu[]
  readonly sliceTicks: number
  /** First tick after the last that is recorded. */
  readonly endTick: number
  readonly tasks: readonly RecordedTask[]
  /** Per dispatch: cycles between the moment at which CPU and task were both free for each other and the dispatch. */
  readonly decisionCycles: readonly number[]
  /** Refused decisions by verdict. */
  readonly refusals: Readonly<Record<string, number>>
  /** Dispatches that no scheduler had chosen. */
  readonly bypasses: number
  /** Messages between nodes and schedulers, and among schedulers. */
  readonly messages: number
  /** Joules; null: the machine has no table of power. */
  readonly energy: number | null
  /** When CPUs were off line; absent: never. */
  readonly offline?: readonly Offline[]
}

/** Ticks [from, to). */
export interface Offline {
  readonly cpu: number
  readonly from: number
  readonly to: number
}

/** What the measures of shares and of idle CPUs look at. */
export type Occupied = Pick<RunRecord, "tasks" | "endTick" | "cpus" | "offline">

/** CPUs that are on line in all of [from, to), which no change divides. */
export function onlineAt({ cpus, offline = [] }: Pick<RunRecord, "cpus" | "offline">, from: number): readonly number[] {
  const off = offline.filter((one) => one.from <= from && from < one.to).map(({ cpu }) => cpu)
  return cpus.map(({ cpu }) => cpu).filter((cpu) => !off.includes(cpu))
}

export function mayRunOn({ affinity }: Pick<RecordedTask, "affinity">, cpu: number): boolean {
  return affinity.length === 0 || affinity.includes(cpu)
}

/** Ticks at which anything changes, ascending, each once, 0 and `endTick` among them. */
export function changesOf({ tasks, endTick, offline = [] }: Pick<RunRecord, "tasks" | "endTick" | "offline">): readonly number[] {
  const ticks = new Set([0, endTick, ...offline.flatMap(({ from, to }) => [from, to])])
  for (const { stays } of tasks) for (const { from, to } of stays) ticks.add(from).add(to)
  return [...ticks].filter((tick) => tick <= endTick).sort((a, b) => a - b)
}
