/** A workload on a fresh timed multiprocessor: what every figure is made of. */
import { readFileSync } from "node:fs"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { makeTimedEngine, type TimedEngine } from "@backplane/compute-engine/timed-engine"
import { readImage } from "@backplane/compute-image/image"
import { explain } from "@backplane/compute-image/rejection"
import { TimedMachine, type Interval, type TimedImage, type TimedRun } from "@backplane/compute-timed/timed-machine"
import { workloadPath, type Workload } from "@backplane/guests/workloads"
import { timingParameters } from "@backplane/memory-timing/timing-parameters"
import { resolveTiming } from "@backplane/scenario-machine/timing-presets"
import type { TimingInput, TimingSpec } from "@backplane/scenario-machine/timing-spec"

export interface Multiprocessor {
  readonly workload: Workload
  readonly cpus: number
  readonly nodes: number
  readonly parameters: readonly number[]
  readonly timing: TimingInput
  /** The CPUs that run it; left out: all. */
  readonly harts?: readonly number[]
  /** Bytes of RAM; left out: 16 MiB. */
  readonly memoryBytes?: number
  readonly interval?: (timing: TimingSpec, engine: TimedEngine) => Interval
}

export interface Measured extends TimedRun {
  readonly engine: TimedEngine
  readonly spec: TimingSpec
}

const MEMORY_BYTES = 16 * 2 ** 20

export function measure({
  workload,
  cpus,
  nodes,
  parameters,
  timing,
  harts,
  memoryBytes = MEMORY_BYTES,
  interval,
}: Multiprocessor): Measured {
  const spec = resolveTiming({ ...timing, fidelity: "timed" })
  const engine = makeTimedEngine({ memoryBytes, cpus }, timingParameters(spec, { nodes }))
  const all = Array.from({ length: cpus }, (_, cpu) => cpu)
  const start = { image: loadWorkload(workload, memoryBytes), cpus: harts ?? all, parameters }
  const run = new TimedMachine(engine).run(start, interval === undefined ? {} : { interval: interval(spec, engine) })
  const failed = run.results.findIndex((result) => result <= 0)
  if (failed >= 0) throw new Error(`hart ${failed} of ${workload} found its own result wrong`)
  return { ...run, engine, spec }
}

export function loadWorkload(workload: Workload, memoryBytes: number): TimedImage {
  const image = readImage(readFileSync(workloadPath(workload)), { memory: { base: RAM_BASE, bytes: BigInt(memoryBytes) }, symbols: [] })
  if (image.kind === "rejection") throw new Error(`${workload}: ${explain(image)}`)
  return image
}

/** The longest of the harts' own times. */
export function slowest({ results }: TimedRun): number {
  return Math.max(...results)
}

/**
 * Share of the second level's misses that the node's own memory served. `before`: a run of the same machine that ends where the share begins;
 * its misses are left out.
 */
export function localShare(run: TimedRun, before?: TimedRun): number {
  const of = (name: "localMisses" | "remoteMisses"): number => totalOf(run, name) - (before === undefined ? 0 : totalOf(before, name))
  const local = of("localMisses")
  return local / Math.max(1, local + of("remoteMisses"))
}

function totalOf({ counters }: TimedRun, name: "localMisses" | "remoteMisses"): number {
  return counters.reduce((total, each) => total + each[name], 0)
}
