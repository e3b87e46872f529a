/**
 * The scheduling policies on the same drawn sets of jobs. The drawing is that of the OSTEP programs, one seed a set, so that the
 * figures of the design (24 jobs, 8 CPUs, run ≤ 200, working set ≤ 60) can be set beside these.
 */
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import type { PolicyName } from "@backplane/scenario-machine/machine-spec"
import { simulate } from "./simulate.ts"

export interface Comparison {
  readonly sets: number
  readonly cpus: number
  readonly jobs: number
  readonly maxRun: number
  readonly maxWorkingSet: number
  readonly peeks: readonly number[]
}

export interface Contender {
  readonly label: string
  readonly policy: PolicyName
  readonly peekTicks: number
  /** In the OSTEP model itself, or with its quirks mended. */
  readonly compat: "ostep" | "none"
}

export interface Score {
  readonly label: string
  readonly makespanMean: number
  readonly makespanMedian: number
  /** Shares of all CPU ticks, 0 to 1. */
  readonly busy: number
  readonly warm: number
  readonly migrationsMean: number
  /** Per set. */
  readonly makespans: readonly number[]
}

export function contenders(peeks: readonly number[]): readonly Contender[] {
  return [
    { label: "sqms", policy: "sqms", peekTicks: 0, compat: "ostep" },
    { label: "mqms", policy: "mqms", peekTicks: 0, compat: "ostep" },
    ...peeks.map((peekTicks): Contender => ({ label: `mqms-steal, peek ${peekTicks}`, policy: "mqms-steal", peekTicks, compat: "ostep" })),
    { label: "mqms-warm", policy: "mqms-warm", peekTicks: 5, compat: "none" },
  ]
}

export function scoreOf(contender: Contender, comparison: Comparison): Score {
  const makespans: number[] = []
  let busy = 0
  let warm = 0
  let migrations = 0
  for (let seed = 0; seed < comparison.sets; seed++) {
    const { policy, peekTicks, compat } = contender
    const spec = resolveMachineSpec({
      seed,
      topology: { cpus: comparison.cpus },
      schedule: { policy, peekTicks, compat },
      draw: { count: comparison.jobs, maxRun: comparison.maxRun, maxWorkingSet: comparison.maxWorkingSet },
    })
    const outcome = simulate(spec, { fingerprint: "off" })
    if (!("result" in outcome)) throw new Error(`set ${seed} under ${contender.label}: ${outcome.failure.message}`)
    const { finish, cpus } = outcome.result
    makespans.push(finish)
    busy += mean(cpus.map((cpu) => cpu.utilization / 100)) / comparison.sets
    warm += mean(cpus.map((cpu) => cpu.warm / 100)) / comparison.sets
    migrations += outcome.result.migrations / comparison.sets
  }
  return {
    label: contender.label,
    makespanMean: mean(makespans),
    makespanMedian: median(makespans),
    busy,
    warm,
    migrationsMean: migrations,
    makespans,
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}
