/** The engine in fidelity `timed`: every access goes through caches and TLB, and every CPU has its virtual time (`engine.timing`). */
import { ENGINE_TIMED_WASM } from "./engine-timed-wasm.ts"
import { WasmEngine } from "./engine.ts"
import { decodeBase64 } from "./wasm-module.ts"
import type { EngineOptions } from "@backplane/compute-contract/engine"
import type { TimingParameters } from "@backplane/compute-contract/timing"
import type { EngineTiming } from "./engine-timing.ts"

export type TimedEngine = WasmEngine & { readonly timing: EngineTiming }

/** Same interface, same results, and an account of time. */
export function makeTimedEngine(options: EngineOptions, timing: TimingParameters): TimedEngine {
  return timedEngineOf(options, timing, { binary: decodeBase64(ENGINE_TIMED_WASM) })
}

/** Of another build: for tests of the tests. */
export function timedEngineOf(
  options: EngineOptions,
  timing: TimingParameters,
  build: { readonly binary: Uint8Array<ArrayBuffer>; readonly planted?: number },
): TimedEngine {
  const engine = new WasmEngine(options, { ...build, timing })
  if (!isTimed(engine)) throw new Error("unreachable: an engine with costs has clocks")
  return engine
}

function isTimed(engine: WasmEngine): engine is TimedEngine {
  return engine.timing !== null
}
