/** What entries of the event registry are written with: actions on metrics, and fields that many events have. */
import type { MetricAction } from "./kinds.ts"

export function count(metric: string, fixed?: Readonly<Record<string, string>>): MetricAction {
  return fixed === undefined ? { metric, op: "count" } : { metric, op: "count", fixed }
}

export function countBy(metric: string, field: string, fixed?: Readonly<Record<string, string>>): MetricAction {
  return fixed === undefined ? { metric, op: "count", field } : { metric, op: "count", field, fixed }
}

export const WHERE = { node: "NUMA node", cpu: "CPU", queue: "run queue by name" } as const
export const TASK = { task: "task" } as const
export const VM = { vm: "virtual machine" } as const
export const SERVICE = { service: "kind of service", instance: "name of the process" } as const
export const WHY = { reason: "why, in one small word" } as const
