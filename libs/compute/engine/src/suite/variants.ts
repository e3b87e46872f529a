/** The builds that every law of an engine holds for: the timed one with caches and TLB so small that everything misses. */
import type { EngineOptions } from "@backplane/compute-contract/engine"
import type { TimingParameters } from "@backplane/compute-contract/timing"
import { WasmEngine } from "../engine.ts"
import { makeTimedEngine } from "../timed-engine.ts"

const CROWDED: TimingParameters = {
  nodes: 1,
  threadsPerCore: 1,
  firstLevel: { sets: 2, ways: 2 },
  secondLevel: { sets: 4, ways: 2, hitCycles: 7 },
  tlb: { sets: 1, ways: 4, missCycles: 20 },
  transferCycles: 11,
  busOccupancyCycles: 3,
  localCycles: 80,
  remoteCycles: 140,
  remoteDirtyCycles: 200,
  memoryOccupancyCycles: 4,
  protocol: "invalidate",
  placement: "first-touch",
  collapseCycles: 100,
}

export interface EngineVariant {
  readonly build: string
  readonly make: (options: EngineOptions) => WasmEngine
}

export const ENGINE_VARIANTS: readonly EngineVariant[] = [
  { build: "functional", make: (options) => new WasmEngine(options) },
  { build: "timed", make: (options) => makeTimedEngine(options, { ...CROWDED, nodes: options.cpus > 1 ? 2 : 1 }) },
  {
    build: "timed, threads of one core",
    make: (options) => makeTimedEngine(options, { ...CROWDED, threadsPerCore: options.cpus % 2 === 0 ? 2 : 1, protocol: "update" }),
  },
]
