/** What `backplane jobs --json` prints, as far as lessons read it. */
import type { Json } from "@backplane/foundation-base/json"

export interface JobReport {
  readonly finish: number
  readonly jobs: Readonly<Record<string, number>>
  /** In percent of the whole run. */
  readonly cpus: readonly { readonly utilization: number; readonly warm: number }[]
  readonly migrations: number
}

/** The cast is the codec: the command's own tests hold the shape. */
export function jobReport(output: Json): JobReport {
  return output as unknown as JobReport
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}

export function busy(report: JobReport): number {
  return meanOf(report.cpus.map((cpu) => cpu.utilization))
}

export function warm(report: JobReport): number {
  return meanOf(report.cpus.map((cpu) => cpu.warm))
}

export function percent(value: number): string {
  return `${value.toFixed(1)} %`
}
