/** One simulated run with everything that a schedule is judged by. */
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { TickClock } from "@backplane/scenario-machine/tick-clock"
import { nodeOfCpu } from "@backplane/scenario-machine/topology"
import { metricsOf, type Metrics } from "@backplane/schedule-measure/metrics"
import type { RunRecord } from "@backplane/schedule-measure/run-record"
import { RunRecorder } from "@backplane/schedule-measure/run-recorder"
import type { RunResult } from "@backplane/trap-hypervisor/run-result"
import type { ActorMaker } from "../machine-actors.ts"
import { machineWorld, outcomeOf } from "../simulate.ts"

export interface MeasuredRun {
  readonly record: RunRecord
  readonly metrics: Metrics
  readonly result: RunResult
}

const WEIGHT_DEFAULT = 100

/** Runs it to its end. A run that has none ends with an error that says why. */
export function measuredRun(spec: MachineSpec, make?: ActorMaker): MeasuredRun {
  const world = machineWorld(spec, { fingerprint: "off" }, make)
  const ticks = new TickClock(spec.clock)
  const recorder = new RunRecorder({
    cpus: Array.from({ length: spec.topology.cpus }, (_, cpu) => ({ cpu, node: nodeOfCpu(spec.topology, cpu) })),
    sliceTicks: spec.schedule.sliceTicks,
    tickCycles: spec.clock.tickCycles,
    cyclesPerSecond: spec.clock.cyclesPerSecond,
    tickAt: (cycles) => ticks.tickAt(virtualTime(cycles)),
    tasks: spec.jobs.map(({ name, weight, affinity }) => ({ name, weight: weight ?? WEIGHT_DEFAULT, affinity })),
  })
  world.onEvent((at, _actor, { name, fields = {} }) => recorder.onEvent(at, name, fields))
  world.onMessage(({ body }) => recorder.onMessage(body.kind))
  world.run({ stop: () => outcomeOf(world) !== null })
  const outcome = outcomeOf(world)
  if (outcome === null || "failure" in outcome) throw new Error(outcome?.failure.message ?? "the run did not end")
  const record = recorder.record(outcome.result.finish)
  return { record, metrics: metricsOf(record), result: outcome.result }
}
