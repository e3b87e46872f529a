/** The figures of a run: what `backplane jobs` and `backplane run` print. Pure arithmetic over what nodes and jobs say. */
import { Fingerprint } from "@backplane/foundation-base/fingerprint"
import type { GuestOutcome } from "@backplane/compute-contract/guest-state"
import type { Job } from "./job-table.ts"
import type { CpuRecord } from "./schedule-collector.ts"
import type { VmRecord } from "./vm-table.ts"

export type RunLength = readonly [from: number, to: number, job: string | null]

export type RunFailure =
  | { readonly kind: "lost-task"; readonly job: string; readonly message: string }
  | { readonly kind: "max-ticks"; readonly message: string }
  | { readonly kind: "no-victim"; readonly message: string }
  | { readonly kind: "rejected"; readonly job: string; readonly message: string }

/** How a VM stood at the end of the run. */
export interface VmEnd {
  readonly state: string
  readonly boots: number
  /** Why it was lost or refused. */
  readonly reason?: string
  /** Of its last life that ended by itself. */
  readonly outcome: GuestOutcome | null
}

export interface RunResult {
  /** First tick after the last job's last. */
  readonly finish: number
  /** Per job: its finish tick; null for one that did not finish. */
  readonly jobs: Readonly<Record<string, number | null>>
  /** Percent of all ticks, two decimals: in use, and in use with a warm cache. */
  readonly cpus: readonly { readonly utilization: number; readonly warm: number }[]
  /** How often a job ran on another CPU than the time before. */
  readonly migrations: number
  /** Per CPU: run lengths from tick 0 to `finish`. */
  readonly schedule: readonly (readonly RunLength[])[]
  /** Per CPU: when its cache was warm for what it ran, from and to. */
  readonly warmRuns: readonly (readonly (readonly [from: number, to: number])[])[]
  /** Jobs that were lost with a node, and how many lives were begun again. */
  readonly lost: readonly string[]
  readonly restarts: number
  /** Of the guests that ended, if there are any: as `backplane exec` says it. */
  readonly guests?: Readonly<Record<string, GuestOutcome>>
  /** Of the VMs, if there are any. */
  readonly vms?: Readonly<Record<string, VmEnd>>
  /** Over everything above: equal runs, equal fingerprint. */
  readonly fingerprint: string
}

export function runResult(jobs: readonly Job[], cpus: readonly CpuRecord[], vms: readonly VmRecord[] = []): RunResult {
  const finish = Math.max(0, ...jobs.map((job) => job.finishTick ?? 0), ...cpus.map((cpu) => cpu.segments.at(-1)?.[1] ?? 0))
  const guests = jobs.flatMap((job) => (job.outcome === null || job.spec.vcpu !== undefined ? [] : [[job.spec.name, job.outcome] as const]))
  const figures = {
    finish,
    jobs: Object.fromEntries(jobs.map((job) => [job.spec.name, job.finishTick])),
    cpus: cpus.map((cpu) => ({ utilization: percent(cpu.busy, finish), warm: percent(cpu.warm, finish) })),
    migrations: countMigrations(cpus),
    schedule: cpus.map((cpu) => withGaps(cpu, finish)),
    warmRuns: cpus.map((cpu) => cpu.segments.flatMap(([, to, , warmFrom]): [number, number][] => (warmFrom < to ? [[warmFrom, to]] : []))),
    lost: jobs.filter((job) => job.state === "lost").map((job) => job.spec.name),
    restarts: jobs.reduce((sum, job) => sum + (job.spec.vcpu === undefined ? job.attempt - 1 : 0), 0),
    ...(vms.length > 0 && { vms: Object.fromEntries(vms.map((vm) => [vm.spec.name, vmEnd(vm)])) }),
    ...(guests.length > 0 && { guests: Object.fromEntries(guests) }),
  }
  return { ...figures, fingerprint: new Fingerprint().add(JSON.stringify(figures)).hex() }
}

function vmEnd({ state, boots, reason, outcome }: VmRecord): VmEnd {
  return { state, boots, outcome, ...(reason !== "" && { reason }) }
}

/** Two decimals, a tie to the even one (IEEE 754 round-half-even, as most languages print a number): 90.625 is 90.62. */
export function percent(part: number, whole: number): number {
  if (whole === 0) return 0
  const value = (100 * part) / whole
  const isTie = Number.isInteger(value * 8) && (value * 100) % 1 === 0.5
  if (!isTie) return Number(value.toFixed(2))
  const below = Math.floor(value * 100)
  return (below % 2 === 0 ? below : below + 1) / 100
}

/** Fills the ticks in which the CPU ran nothing. */
function withGaps(cpu: CpuRecord, finish: number): RunLength[] {
  const filled: RunLength[] = []
  let at = 0
  for (const [from, to, job] of cpu.segments) {
    if (from > at) filled.push([at, from, null])
    filled.push([from, to, job])
    at = to
  }
  if (at < finish) filled.push([at, finish, null])
  return filled
}

function countMigrations(cpus: readonly CpuRecord[]): number {
  const runs = cpus.flatMap((record, cpu) => record.segments.map(([from, , job]) => ({ from, job, cpu })))
  runs.sort((a, b) => a.from - b.from || a.cpu - b.cpu)
  const last = new Map<string, number>()
  let migrations = 0
  for (const { job, cpu } of runs) {
    const before = last.get(job)
    if (before !== undefined && before !== cpu) migrations++
    last.set(job, cpu)
  }
  return migrations
}
