/** Runs tasks that only run, on one CPU, and tells how the time was shared. */
import type { QueuePolicyKind } from "../queue-policy.ts"
import { drive, type DriveResult } from "./drive.ts"
import { FluidCpu } from "./fluid.ts"
import { hogs, plainWorkload, type TaskPlan } from "./workload.ts"

export interface SharesRun {
  readonly ticks: number
  readonly sliceTicks: number
  readonly seed?: number
}

export interface Shares {
  readonly result: DriveResult
  readonly fluid: FluidCpu
  /** Ticks that each task ran. */
  readonly ran: readonly number[]
}

export function shareAmongHogs(kind: QueuePolicyKind, weights: readonly number[], run: SharesRun): Shares {
  return shareAmong(kind, hogs(weights, run.ticks), run)
}

export function shareAmong(kind: QueuePolicyKind, tasks: readonly TaskPlan[], { ticks, sliceTicks, seed = 1 }: SharesRun): Shares {
  const fluid = new FluidCpu()
  const policy = kind.create({ seed, queue: "cpu-0", cpus: [0], sliceTicks })
  const result = drive(policy, plainWorkload(tasks, { sliceTicks }), { ticks, onTick: (_, fates) => fluid.onTick(fates) })
  return { result, fluid, ran: result.fates.map(({ ranTicks }) => ranTicks) }
}
