/**
 * Memory over nodes in virtual time: tables and pictures of tools/figures, the same on every computer; and one figure that is not:
 * how fast the timed engine is, against the functional one on the same image in turn (`timed_mips`, per CPU second).
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@backplane/foundation-base/assert"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { makeTimedEngine } from "@backplane/compute-engine/timed-engine"
import { readImage } from "@backplane/compute-image/image"
import { NUMA_FIGURES } from "@backplane/figures/figures"
import { timingParameters } from "@backplane/memory-timing/timing-parameters"
import { resolveTiming } from "@backplane/scenario-machine/timing-presets"
import { Board } from "@backplane/trap-board/board"
import { figureOf, interleaved } from "./rounds.ts"
import { presentFigures, virtualFigure } from "./locks.bench.ts"
import type { Bench, BenchOptions, Figure } from "./bench.ts"

const IMAGE = join(import.meta.dirname, "../../guests/images/bench.elf")
const MEMORY_BYTES = 16 * 2 ** 20
const CHUNK_INSTRUCTIONS = 50_000_000

/** Million instructions per CPU second of a guest that computes, from boot to its end. */
function mips(engine: WasmEngine): number {
  const image = readImage(readFileSync(IMAGE), { memory: { base: RAM_BASE, bytes: BigInt(MEMORY_BYTES) }, symbols: [] })
  assert(image.kind === "image", "the benchmark's image is sound")
  const board = new Board(engine, image)
  const before = process.cpuUsage()
  let stop = board.run(CHUNK_INSTRUCTIONS)
  while (stop.kind === "budget") stop = board.run(CHUNK_INSTRUCTIONS)
  const { user, system } = process.cpuUsage(before)
  assert(stop.kind === "end" && stop.code === 0, "the benchmark ends well")
  return board.instructions() / (user + system)
}

async function speed(options: BenchOptions): Promise<Figure> {
  const shape = { memoryBytes: MEMORY_BYTES, cpus: 1 }
  const costs = timingParameters(resolveTiming({ fidelity: "timed" }), { nodes: 1 })
  const rounds = await interleaved(
    { timed: () => mips(makeTimedEngine(shape, costs)), functional: () => mips(new WasmEngine(shape)) },
    options,
  )
  return figureOf(
    { name: "timed_mips", unit: "million instructions per CPU second", better: "higher" },
    { ours: rounds.timed, baseline: rounds.functional, baselineName: "the functional engine, same image" },
  )
}

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const figures = presentFigures(NUMA_FIGURES, options)
  const policies = ["engineering", "raytrace"].map((name) =>
    virtualFigure(figures.get("page-policies"), {
      name: `${name}_local_share`,
      unit: "share of misses that local memory serves",
      better: "higher",
      value: `${name}_local_after`,
      against: `${name}_local_before`,
      baselineName: "pages stay",
    }),
  )
  const placed = virtualFigure(figures.get("placement"), {
    name: "first_touch_cycles",
    unit: "cycles per access",
    better: "lower",
    value: "first_touch_cycles",
    against: "interleave_cycles",
    baselineName: "interleaved",
  })
  const moved = virtualFigure(figures.get("data-or-computation"), {
    name: "move_data_cycles_128",
    unit: "cycles per operation, 128 in a row",
    better: "lower",
    value: "data_128",
    against: "computation_128",
    baselineName: "the computation moves",
  })
  return [await speed(options), ...policies, placed, moved]
}

export const bench: Bench = {
  name: "numa",
  summary: "virtual time: page migration and replication, placement, data or computation, cache affinity, threads; and timed_mips",
  draws: true,
  run,
}
