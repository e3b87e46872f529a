/**
 * The policies of the OSTEP chapter and their cache-aware successor on the same drawn sets of jobs: the workload `ostep` of the
 * scoreboard with a shape of one's own, and peek intervals as contenders. The figures of the design (24 jobs, 8 CPUs, run ≤ 200, working
 * set ≤ 60) can be set beside these.
 */
import { mean, median } from "@backplane/schedule-measure/percentiles"
import { ostepSets } from "@backplane/scenario-workloads/batch"
import { contenderOf, type Contender } from "./scoreboard/contender.ts"
import { boardOf, type Score as BoardScore } from "./scoreboard/scoreboard.ts"

export interface Comparison {
  readonly sets: number
  readonly cpus: number
  readonly jobs: number
  readonly maxRun: number
  readonly maxWorkingSet: number
  readonly peeks: readonly number[]
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

/** In the model itself those that it knows; the successor without its quirks, looking as often as `mqms-steal` does at its best. */
export function contenders(peeks: readonly number[]): readonly Contender[] {
  return ["sqms/ostep", "mqms/ostep", ...peeks.map((peek) => `mqms-steal@${peek}/ostep`), "mqms-warm@5"].map(contenderOf)
}

export function scoreOf(contender: Contender, comparison: Comparison): Score {
  const [score] = boardOf(ostepSets(comparison), [contender], comparison).scores
  if (score === undefined || score.failures.first !== null) throw new Error(`${contender.label}: ${score?.failures.first ?? "nothing ran"}`)
  return summary(labelOf(contender), score)
}

function labelOf({ policy, peekTicks }: Contender): string {
  return policy === "mqms-steal" ? `mqms-steal, peek ${peekTicks ?? 0}` : policy
}

function summary(label: string, { runs }: BoardScore): Score {
  const makespans = runs.map(({ makespanTicks }) => makespanTicks)
  return {
    label,
    makespanMean: mean(makespans),
    makespanMedian: median(makespans),
    busy: mean(runs.map(({ busyShare }) => busyShare)),
    warm: mean(runs.map(({ busyShare, warmShare }) => busyShare * warmShare)),
    migrationsMean: mean(runs.map(({ migrations }) => migrations.cpu)),
    makespans,
  }
}
