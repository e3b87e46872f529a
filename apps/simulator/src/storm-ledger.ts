/** What the CPUs of a storm ran, added up: nothing twice, nothing outside its mask, all work done, and done once. */
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

/** For machines in which a tick of running is a tick of work: no warmth, no hardware threads, no speeds. */
export function stormLedger({ jobs }: MachineSpec, schedule: RunResult["schedule"]): StormLedger {
  const runs = schedule.flatMap((lengths, cpu) => lengths.flatMap(([from, to, job]) => (job === null ? [] : [{ cpu, from, to, job }])))
  let [ticksTwice, ticksOutside, ticksWrong] = [0, 0, 0]
  for (const { name, run, affinity } of jobs) {
    const own = runs.filter(({ job }) => job === name).sort((a, b) => a.from - b.from)
    let end = 0
    for (const { cpu, from, to } of own) {
      ticksTwice += Math.max(0, Math.min(to, end) - from)
      end = Math.max(end, to)
      if (affinity.length > 0 && !affinity.includes(cpu)) ticksOutside += to - from
    }
    ticksWrong += Math.abs(own.reduce((sum, { from, to }) => sum + to - from, 0) - run)
  }
  return { ticksTwice, ticksOutside, ticksWrong }
}
