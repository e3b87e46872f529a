/** Prints the result of a run: JSON, or a table for people; and writes the pictures that were asked for. */
import { writeFileSync } from "node:fs"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { ganttSvg } from "@backplane/scenario-picture/gantt-svg"
import { perfettoJson } from "@backplane/scenario-picture/perfetto-json"
import { perfettoTrace } from "@backplane/scenario-picture/perfetto-trace"
import type { PictureSpan } from "@backplane/scenario-picture/perfetto-input"
import { scheduleOf } from "@backplane/trap-hypervisor/run-picture"
import type { RunResult } from "@backplane/trap-hypervisor/run-result"
import { jsonOfFailure, reportFailure } from "./failure.ts"
import { vmFailure, vmRows } from "./vm-ends.ts"

export interface Run {
  readonly spec: MachineSpec
  readonly result: RunResult
  readonly bus: "sim" | "nats"
  /** For the export to Perfetto. */
  readonly spans?: readonly PictureSpan[]
}

export interface ReportFlags {
  readonly json?: true
  readonly svg?: string
  readonly perfetto?: string
}

/** Where VMs were lost or refused it is told on standard error, too, and by the exit code. */
export async function printRun(run: Run, flags: ReportFlags): Promise<void> {
  writePictures(run, flags)
  const failure = vmFailure(run.result.vms)
  if (flags.json === true) console.log(JSON.stringify({ bus: run.bus, ...run.result, ...(failure && { error: jsonOfFailure(failure) }) }))
  else console.log(reportText(run))
  if (failure !== null) process.exitCode = reportFailure(failure, false)
}

export function writePictures({ spec, result, spans }: Run, flags: ReportFlags): void {
  const schedule = scheduleOf(spec, result)
  if (flags.svg !== undefined) writeFileSync(flags.svg, ganttSvg(schedule))
  if (flags.perfetto === undefined) return
  const input = { schedule, cyclesPerTick: spec.clock.tickCycles, ...(spans !== undefined && { spans }) }
  writeFileSync(flags.perfetto, flags.perfetto.endsWith(".json") ? perfettoJson(input) : perfettoTrace(input))
}

function reportText({ spec, result, bus }: Run): string {
  const rows = result.cpus.map(
    (cpu, index) => `  CPU ${index}  ${cpu.utilization.toFixed(2).padStart(6)} % in use  ${cpu.warm.toFixed(2).padStart(6)} % warm`,
  )
  const jobs = Object.entries(result.jobs).map(([name, tick]) => `${name} ${tick === null ? "not finished" : tick}`)
  const lost = result.lost.length === 0 ? [] : [`  lost with a node: ${result.lost.join(", ")}`]
  const restarts = result.restarts === 0 ? [] : [`  begun again after a loss: ${result.restarts}`]
  const guests = Object.entries(result.guests ?? {}).map(
    ([name, { exit, reason, instructions, state }]) =>
      `  guest ${name}: ${reason}, exit ${exit}; ${instructions} instructions, state ${state}`,
  )
  return [
    `finished at tick ${result.finish} (${spec.schedule.policy}, ${bus}), ${result.migrations} migrations`,
    ...rows,
    `  finish: ${jobs.join("  ")}`,
    ...guests,
    ...vmRows(result.vms),
    ...lost,
    ...restarts,
    `  fingerprint ${result.fingerprint}`,
  ].join("\n")
}
