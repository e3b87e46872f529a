/** A simulated run with all its spans, written for ui.perfetto.dev. */
import { writeFileSync } from "node:fs"
import { SpanRecorder } from "@backplane/foundation-simulation/span-recorder"
import { perfettoJson } from "@backplane/scenario-picture/perfetto-json"
import { perfettoTrace } from "@backplane/scenario-picture/perfetto-trace"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { scheduleOf } from "@backplane/trap-hypervisor/run-picture"
import type { ActorMaker } from "./machine-actors.ts"
import { simulate, type RunOutcome } from "./simulate.ts"

export function runTraced(spec: MachineSpec, file: string, make?: ActorMaker): RunOutcome {
  const recorder = new SpanRecorder()
  const outcome = simulate(spec, { spans: recorder, fingerprint: "off" }, make)
  if (!("result" in outcome)) return outcome
  const spans = recorder.spans.map(({ spanId, parentSpanId, name, actor, start, end, attributes, error }) => ({
    spanId,
    parentSpanId,
    name,
    actor,
    start,
    end,
    attributes,
    error,
  }))
  const input = { schedule: scheduleOf(spec, outcome.result), cyclesPerTick: spec.clock.tickCycles, spans }
  writeFileSync(file, file.endsWith(".json") ? perfettoJson(input) : perfettoTrace(input))
  return outcome
}
