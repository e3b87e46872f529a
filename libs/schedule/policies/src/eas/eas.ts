/** Energy-aware placement, speeds and idle depths. See README.md beside this file. */
import { powerKindOf, type PowerKind } from "@backplane/scenario-machine/power-spec"
import { MatchingDiscipline, type MatchingAccount, type MatchingOptions } from "../matching.ts"
import { PolicyQueue } from "../policy-queue.ts"
import type { QueuePolicyKind } from "../queue-policy.ts"
import { CAPACITY_MAX, placeOf, type QueueSettings } from "../queue-settings.ts"

/** A task fits a CPU that it would keep busy for at most so many hundredths (Linux: the capacity margin of 20 %). */
const FIT_PERCENT = 80

/** Part of its life in which it would keep the fastest CPU busy, of 1024. Nothing is known of a task that has just come: it is taken for a small one. */
export function utilisation({ state }: MatchingAccount, now: number): number {
  return Math.floor((CAPACITY_MAX * state.work) / Math.max(1, now - state.since))
}

function fits(need: number, capacity: number): boolean {
  return need * 100 <= capacity * FIT_PERCENT
}

/** What a unit of work costs at this speed, beyond what the CPU draws in its deepest sleep anyway. */
export function costOfWork({ speeds, idle }: PowerKind, speed: number): number {
  const row = speeds[speed]
  return row === undefined ? Infinity : (row.watts - (idle.at(-1)?.watts ?? 0)) / row.capacity
}

/** Of the speeds that will do the cheapest; where none will, the fastest. */
export function cheapestSpeed(kind: PowerKind, need: number): number {
  const rows = [...kind.speeds.keys()].filter((row) => fits(need, kind.speeds[row]?.capacity ?? 0))
  return rows.reduce((best, row) => (costOfWork(kind, row) <= costOfWork(kind, best) ? row : best), 0)
}

/** The deepest sleep that pays for its waking in the time that the CPU is likely to idle: as long as it has, or as the time before. */
export function payingDepth({ speeds, idle }: PowerKind, likelyTicks: number): number {
  const [shallow] = idle
  const wakingWatts = speeds[0]?.watts ?? 0
  let best = 0
  for (const [depth, { watts, wakeTicks }] of idle.entries())
    if (shallow !== undefined && (shallow.watts - watts) * likelyTicks >= wakeTicks * wakingWatts) best = depth
  return best
}

/** Without a table of power the order of capacities stands for that of costs. */
function optionsFor(settings: QueueSettings): MatchingOptions {
  const { sliceTicks, power } = settings
  const capacityOf = (cpu: number): number => placeOf(settings, cpu).capacity
  const kindOf = (cpu: number): PowerKind => powerKindOf(power, cpu)
  const cost = (account: MatchingAccount, cpu: number, now: number): number => {
    const need = utilisation(account, now)
    // Where it fits nowhere, the largest.
    if (!fits(need, capacityOf(cpu))) return 2 * CAPACITY_MAX - capacityOf(cpu) + 1
    return power === undefined ? capacityOf(cpu) : costOfWork(kindOf(cpu), cheapestSpeed(kindOf(cpu), need))
  }
  if (power === undefined) return { sliceTicks, cost, capacityAt: capacityOf }
  return {
    sliceTicks,
    cost,
    // With tasks that wait for a CPU nobody dawdles.
    speed: (account, cpu, { now, waiting }) => (waiting > 0 ? 0 : cheapestSpeed(kindOf(cpu), utilisation(account, now))),
    depth: (cpu, { ticks, lastTicks }) => payingDepth(kindOf(cpu), Math.max(ticks, lastTicks)),
    capacityAt: (cpu, speed) => kindOf(cpu).speeds[speed]?.capacity ?? CAPACITY_MAX,
  }
}

export const eas: QueuePolicyKind = {
  name: "eas",
  summary: "one queue; each task on the smallest idle CPU that it fits",
  layout: "all",
  slices: "aligned",
  steal: "none",
  create: (settings) => new PolicyQueue(new MatchingDiscipline(optionsFor(settings))),
}
