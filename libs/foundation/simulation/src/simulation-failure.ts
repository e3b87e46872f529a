/** The one error a simulated run ends with: what was thrown, and all that is needed to see it again. */
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"

export interface FailureReport {
  readonly seed: number
  readonly at: VirtualTime
  /** Whose handler threw: an actor, `checker <name>` or `world`. */
  readonly who: string
  readonly trace: readonly string[]
  readonly replayCommand: string
}

export class SimulationFailure extends Error {
  override readonly name = "SimulationFailure"
  readonly report: FailureReport

  constructor(what: string, report: FailureReport, cause?: unknown) {
    super(reportText(what, report), cause === undefined ? {} : { cause })
    this.report = report
  }
}

function reportText(what: string, report: FailureReport): string {
  return [
    what,
    `  seed ${report.seed}, virtual time ${report.at}, ${report.who}`,
    `  replay: ${report.replayCommand}`,
    `  last ${report.trace.length} lines of the trace:`,
    ...report.trace.map((line) => `    ${line}`),
  ].join("\n")
}

/** The message of anything thrown. */
export function thrownText(thrown: unknown): string {
  return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown)
}
