/** A run's result in the shape that pictures are made from. */
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { nodeOfCpu } from "@backplane/scenario-machine/topology"
import type { RunLength, RunResult } from "./run-result.ts"

/** Fits `Schedule` of scenario/picture by shape. */
export interface PicturedSchedule {
  readonly machine: string
  readonly policy: string
  readonly ticks: number
  readonly cpus: readonly {
    readonly cpu: number
    readonly node: number
    readonly runs: readonly RunLength[]
    readonly warm: readonly (readonly [from: number, to: number])[]
  }[]
}

export function scheduleOf(spec: MachineSpec, result: RunResult): PicturedSchedule {
  return {
    machine: spec.name,
    policy: spec.schedule.policy,
    ticks: result.finish,
    cpus: result.schedule.map((runs, cpu) => ({ cpu, node: nodeOfCpu(spec.topology, cpu), runs, warm: result.warmRuns[cpu] ?? [] })),
  }
}
