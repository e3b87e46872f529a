/**
 * What ran where and when: the input of every picture and export here. Times are whole ticks from 0.
 *
 * Of each CPU the runs are in order and do not overlap; where no run is told the CPU was idle (job null says the same).
 */
import { assert } from "@backplane/foundation-base/assert"

/** From the first tick to the one after the last: `[3, 5, "a"]` is two ticks. */
export type Run = readonly [from: number, to: number, job: string | null]

export interface CpuSchedule {
  readonly cpu: number
  readonly node: number
  readonly runs: readonly Run[]
  /** When the CPU's cache was warm for what it ran; within the runs. */
  readonly warm: readonly (readonly [from: number, to: number])[]
}

export interface Schedule {
  readonly machine: string
  readonly policy: string
  /** The tick after the last. */
  readonly ticks: number
  readonly cpus: readonly CpuSchedule[]
}

export type Slice = readonly [from: number, to: number, job: string]

/** The runs that ran something. */
export function slicesOf(cpu: CpuSchedule): readonly Slice[] {
  return cpu.runs.flatMap(([from, to, job]): readonly Slice[] => (job === null ? [] : [[from, to, job]]))
}

/** Jobs in the order in which they first ran; ties by CPU. */
export function jobsOf(schedule: Schedule): readonly string[] {
  const firsts = schedule.cpus.flatMap((cpu) => slicesOf(cpu).map(([from, , job]) => ({ from, cpu: cpu.cpu, job })))
  firsts.sort((a, b) => a.from - b.from || a.cpu - b.cpu)
  return [...new Set(firsts.map(({ job }) => job))]
}

export interface Migration {
  readonly job: string
  /** Index of the slice that was left and of the one that was gone to, each in its CPU's `slicesOf`. */
  readonly from: { readonly cpu: number; readonly slice: number; readonly tick: number }
  readonly to: { readonly cpu: number; readonly slice: number; readonly tick: number }
}

/** Every time a job goes on at another CPU than it was on before, in order of the new start. */
export function migrationsOf(schedule: Schedule): readonly Migration[] {
  const parts = schedule.cpus.flatMap((cpu) => slicesOf(cpu).map(([from, to, job], slice) => ({ cpu: cpu.cpu, slice, from, to, job })))
  parts.sort((a, b) => a.from - b.from || a.cpu - b.cpu)
  const last = new Map<string, (typeof parts)[number]>()
  const migrations: Migration[] = []
  for (const part of parts) {
    const before = last.get(part.job)
    last.set(part.job, part)
    if (before === undefined || before.cpu === part.cpu) continue
    migrations.push({
      job: part.job,
      from: { cpu: before.cpu, slice: before.slice, tick: before.to },
      to: { cpu: part.cpu, slice: part.slice, tick: part.from },
    })
  }
  return migrations
}

/** Our own reasoning, not the user's input: who makes a schedule makes it in order. */
export function assertSchedule(schedule: Schedule): void {
  for (const cpu of schedule.cpus) {
    for (const spans of [cpu.runs, cpu.warm]) {
      let end = 0
      for (const [from, to] of spans) {
        assert(from >= end, `runs of CPU ${cpu.cpu} are in order and do not overlap`)
        assert(to > from, `a run of CPU ${cpu.cpu} is not empty`)
        end = to
      }
      assert(end <= schedule.ticks, `runs of CPU ${cpu.cpu} end within the schedule`)
    }
  }
}
