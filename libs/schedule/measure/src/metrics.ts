/** All measures of a run in one record: the columns of the scoreboard. */
import { fairness } from "./fairness.ts"
import { idleBesideWork } from "./idle-beside-work.ts"
import { responseTime, starvation, wakeLatency, type Starvation } from "./latencies.ts"
import { distributionOf, type Distribution } from "./percentiles.ts"
import { placement, runsOf } from "./placement.ts"
import type { RunRecord } from "./run-record.ts"

/** An idle CPU beside work for so many slices is no longer a decision that takes its time. */
const IDLE_BOUND_SLICES = 2

export interface Metrics {
  /** First tick after the last task's last. */
  readonly makespanTicks: number
  readonly finishedTasks: number
  /** Tasks done in a thousand ticks. */
  readonly throughput: number
  readonly wake: Distribution
  readonly response: Distribution
  readonly jain: number
  readonly lagMostTicks: number
  readonly starvation: Starvation
  readonly idleBesideWork: { readonly cpuTicks: number; readonly share: number; readonly longestTicks: number; readonly flagged: number }
  readonly migrations: { readonly cpu: number; readonly node: number }
  readonly busyShare: number
  readonly warmShare: number
  readonly localShare: number
  /** Dispatches in a thousand ticks. */
  readonly decisionRate: number
  /** Cycles. */
  readonly decision: Distribution
  readonly bypasses: number
  readonly refusals: Readonly<Record<string, number>>
  readonly energy: number | null
  readonly messagesPerSlice: number
}

export function metricsOf(record: RunRecord): Metrics {
  const finished = record.tasks.flatMap(({ finishTick }) => (finishTick === null ? [] : [finishTick]))
  const makespanTicks = Math.max(0, ...finished)
  const perThousand = (count: number): number => (record.endTick === 0 ? 0 : (1000 * count) / record.endTick)
  const slices = record.tasks.reduce((sum, task) => sum + runsOf(task).length, 0)
  const { cpuTicks, share, longestTicks, flagged } = idleBesideWork(record, { boundTicks: IDLE_BOUND_SLICES * record.sliceTicks })
  return {
    makespanTicks,
    finishedTasks: finished.length,
    throughput: perThousand(finished.length),
    wake: wakeLatency(record),
    response: responseTime(record),
    ...fairness(record),
    starvation: starvation(record),
    idleBesideWork: { cpuTicks, share, longestTicks, flagged: flagged.length },
    ...placement(record),
    decisionRate: perThousand(record.decisionCycles.length),
    decision: distributionOf(record.decisionCycles),
    bypasses: record.bypasses,
    refusals: record.refusals,
    energy: record.energy,
    messagesPerSlice: slices === 0 ? 0 : record.messages / slices,
  }
}
