/** The columns of the scoreboard: which figure of a run each shows, and which way is better. */
import type { Metrics } from "@backplane/schedule-measure/metrics"
import { FlagError } from "../whole-flag.ts"

export interface Column {
  readonly name: string
  readonly unit: "ticks" | "cycles" | "percent" | "count" | "ratio" | "per 1000 ticks" | "joules"
  /** null: neither way is better by itself. */
  readonly better: "less" | "more" | null
  /** null: this machine has no such figure. */
  readonly of: (metrics: Metrics) => number | null
}

export const COLUMNS: readonly Column[] = [
  { name: "makespan", unit: "ticks", better: "less", of: (m) => m.makespanTicks },
  { name: "throughput", unit: "per 1000 ticks", better: "more", of: (m) => m.throughput },
  { name: "wake-p50", unit: "ticks", better: "less", of: (m) => (m.wake.count === 0 ? null : m.wake.p50) },
  { name: "wake-p99", unit: "ticks", better: "less", of: (m) => (m.wake.count === 0 ? null : m.wake.p99) },
  { name: "wake-p999", unit: "ticks", better: "less", of: (m) => (m.wake.count === 0 ? null : m.wake.p999) },
  { name: "response-p50", unit: "ticks", better: "less", of: (m) => m.response.p50 },
  { name: "response-p99", unit: "ticks", better: "less", of: (m) => m.response.p99 },
  { name: "jain", unit: "ratio", better: "more", of: (m) => m.jain },
  { name: "lag", unit: "ticks", better: "less", of: (m) => m.lagMostTicks },
  { name: "wait-most", unit: "ticks", better: "less", of: (m) => m.starvation.waitMostTicks },
  { name: "starved", unit: "count", better: "less", of: (m) => m.starvation.tasks },
  { name: "idle-beside-work", unit: "percent", better: "less", of: (m) => 100 * m.idleBesideWork.share },
  { name: "idle-longest", unit: "ticks", better: "less", of: (m) => m.idleBesideWork.longestTicks },
  { name: "migrations", unit: "count", better: null, of: (m) => m.migrations.cpu },
  { name: "migrations-node", unit: "count", better: null, of: (m) => m.migrations.node },
  { name: "busy", unit: "percent", better: null, of: (m) => 100 * m.busyShare },
  { name: "warm", unit: "percent", better: "more", of: (m) => 100 * m.warmShare },
  { name: "local", unit: "percent", better: "more", of: (m) => 100 * m.localShare },
  { name: "decisions", unit: "per 1000 ticks", better: null, of: (m) => m.decisionRate },
  { name: "decision-p50", unit: "cycles", better: "less", of: (m) => m.decision.p50 },
  { name: "decision-p99", unit: "cycles", better: "less", of: (m) => m.decision.p99 },
  { name: "bypasses", unit: "count", better: "less", of: (m) => m.bypasses },
  { name: "refused", unit: "count", better: "less", of: (m) => Object.values(m.refusals).reduce((sum, count) => sum + count, 0) },
  { name: "energy", unit: "joules", better: "less", of: (m) => m.energy },
  { name: "messages", unit: "ratio", better: "less", of: (m) => m.messagesPerSlice },
]

export function columnOf(name: string): Column {
  const column = COLUMNS.find((one) => one.name === name)
  if (column === undefined)
    throw new FlagError(`--columns: there is no column ${name}; there are ${COLUMNS.map((one) => one.name).join(", ")}`)
  return column
}
