/**
 * Migration and replication of pages in the timed multiprocessor: at each interval the decision of memory/placement is carried out and
 * charged. A copy of 4096 bytes is paid by a CPU of the node that gets it, forgetting translations by every CPU that ran.
 */
import { decideMoves, PLACEMENT_RULES, type PageMove, type PageUse, type PlacementRules } from "@backplane/memory-placement/decide-moves"
import type { EngineTiming } from "@backplane/compute-engine/engine-timing"
import type { Interval } from "@backplane/compute-timed/timed-machine"
import type { TimingSpec } from "@backplane/scenario-machine/timing-spec"

export interface PolicyRecord {
  migrated: number
  replicated: number
  collapsed: number
}

export interface PolicyOptions {
  readonly cpus: number
  readonly intervalCycles: number
  readonly rules?: Partial<PlacementRules>
  readonly record: PolicyRecord
}

export function pagePolicy({ events }: TimingSpec, { cpus, intervalCycles, rules, record }: PolicyOptions): Interval {
  const moved: MovedPages = new Map()
  const whole = { ...PLACEMENT_RULES, ...rules }
  const each = (timing: EngineTiming, interval: number): void => {
    const moves = decideMoves(usesOf(timing, moved), whole, { interval })
    carryOutMoves(timing, moves, { events, cpus, record, moved, interval })
    timing.clearPageMisses()
  }
  return { cycles: intervalCycles, each }
}

/** How often pages were moved, and in which interval last. */
export type MovedPages = Map<number, { moves: number; at: number }>

/** Moves of one moment, and what they cost. */
export function carryOutMoves(
  timing: EngineTiming,
  moves: readonly PageMove[],
  {
    events,
    cpus,
    record,
    moved,
    interval,
  }: Pick<TimingSpec, "events"> & Pick<PolicyOptions, "cpus" | "record"> & { readonly moved: MovedPages; readonly interval: number },
): void {
  for (const move of moves) {
    carryOut(timing, move, record)
    const before = moved.get(move.page)
    moved.set(move.page, { moves: (before?.moves ?? 0) + 1, at: interval })
    for (const node of move.kind === "migrate" ? [move.to] : move.kind === "replicate" ? move.on : [])
      timing.charge(firstCpuOf(timing, node, cpus), events.pageCopy)
  }
  // One round of interrupts for all of them.
  if (moves.length > 0) for (let cpu = 0; cpu < cpus; cpu++) timing.charge(cpu, events.shootdown)
}

export function usesOf(timing: EngineTiming, moved: ReadonlyMap<number, { readonly moves: number; readonly at: number }>): PageUse[] {
  return timing.usedFrames().flatMap((page) => {
    const home = timing.home(page)
    if (home === null) return []
    const before = moved.get(page)
    return [
      { page, home, replicas: timing.copies(page), ...timing.pageMisses(page), moves: before?.moves ?? 0, movedAt: before?.at ?? null },
    ]
  })
}

function carryOut(timing: EngineTiming, move: PageMove, record: PolicyRecord): void {
  switch (move.kind) {
    case "migrate":
      record.migrated += 1
      return timing.migrate(move.page, move.to)
    case "replicate":
      record.replicated += 1
      return timing.replicate(move.page, move.on)
    case "collapse":
      record.collapsed += 1
      return timing.collapse(move.page)
  }
}

function firstCpuOf(timing: EngineTiming, node: number, cpus: number): number {
  return Array.from({ length: cpus }, (_, cpu) => cpu).find((cpu) => timing.nodeOf(cpu) === node) ?? 0
}
