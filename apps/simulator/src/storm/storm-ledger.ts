/**
 * What the CPUs of a storm ran, added up: nothing twice, nothing outside its mask, all work done, and done once; and how long CPUs waited
 * beside work after a swap. From the record alone, so the same for a simulated machine and a live one.
 */
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import type { RunResult } from "@backplane/trap-hypervisor/run-result"

export interface StormLedger {
  /** Ticks that a task ran on a CPU while it ran on another. */
  readonly ticksTwice: number
  /** Ticks that tasks ran where they may not. */
  readonly ticksOutside: number
  /** By how many ticks tasks ran more or less than their work, all together. */
  readonly ticksWrong: number
}

type Schedule = RunResult["schedule"]

interface Ran {
  readonly cpu: number
  readonly from: number
  readonly to: number
}

/** By task, in order of time. */
function runsOf(schedule: Schedule): ReadonlyMap<string, readonly Ran[]> {
  const runs = new Map<string, Ran[]>()
  for (const [cpu, lengths] of schedule.entries())
    for (const [from, to, job] of lengths) {
      if (job === null) continue
      const own = runs.get(job) ?? []
      runs.set(job, own)
      own.push({ cpu, from, to })
    }
  for (const own of runs.values()) own.sort((a, b) => a.from - b.from)
  return runs
}

/**
 * For machines in which a tick of running is a tick of work: no warmth, no hardware threads, no speeds. `masked`: tasks whose affinity
 * changes while they live, which whoever changes it has to watch.
 */
export function stormLedger({ jobs }: MachineSpec, schedule: Schedule, masked: ReadonlySet<string> = new Set()): StormLedger {
  const runs = runsOf(schedule)
  let [ticksTwice, ticksOutside, ticksWrong] = [0, 0, 0]
  for (const { name, run, affinity } of jobs) {
    const own = runs.get(name) ?? []
    let end = 0
    for (const { cpu, from, to } of own) {
      ticksTwice += Math.max(0, Math.min(to, end) - from)
      end = Math.max(end, to)
      if (!masked.has(name) && affinity.length > 0 && !affinity.includes(cpu)) ticksOutside += to - from
    }
    ticksWrong += Math.abs(own.reduce((sum, { from, to }) => sum + to - from, 0) - run)
  }
  return { ticksTwice, ticksOutside, ticksWrong }
}

/** A task was put on a CPU, and both had been there and waited for so many ticks since the swap, or since a tick soon after it. */
export interface Gap {
  readonly swapTick: number
  /** When it was put on. */
  readonly tick: number
  readonly cpu: number
  readonly job: string
  readonly ticks: number
}

/**
 * The gaps that begin within `windowTicks` of a swap, however long they are; what was waited before the swap is not the swap's. Tasks that
 * sleep are left out: the record does not tell since when they waited.
 */
export function gapsAfter(
  { jobs }: MachineSpec,
  schedule: Schedule,
  { swapTicks, windowTicks }: { readonly swapTicks: readonly number[]; readonly windowTicks: number },
): readonly Gap[] {
  const wakeful = new Set(jobs.filter(({ phases = [] }) => phases.length === 0).map(({ name }) => name))
  const arrivals = new Map(jobs.map(({ name, arrival }) => [name, arrival]))
  const sorted = [...swapTicks].sort((a, b) => a - b)
  const gaps: Gap[] = []
  for (const [job, own] of runsOf(schedule)) {
    if (!wakeful.has(job)) continue
    let waitsSince = arrivals.get(job) ?? 0
    let next = 0
    for (const { cpu, from, to } of own) {
      while (next < sorted.length && (sorted[next] as number) <= from) next++
      const swapTick = sorted[next - 1]
      if (swapTick !== undefined) {
        const since = Math.max(swapTick, waitsSince, idleSince(schedule[cpu] ?? [], from))
        if (since - swapTick <= windowTicks) gaps.push({ swapTick, tick: from, cpu, job, ticks: from - since })
      }
      waitsSince = Math.max(waitsSince, to)
    }
  }
  return gaps
}

/** The tick since which the CPU had run nothing, when it took up something at `from`. */
function idleSince(lengths: Schedule[number], from: number): number {
  let [low, high] = [0, lengths.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((lengths[middle] as (typeof lengths)[number])[0] < from) low = middle + 1
    else high = middle
  }
  const before = lengths[low - 1]
  return before?.[2] === null ? before[0] : from
}
