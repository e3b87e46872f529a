/** The teaching kernel on the timed machine: one lock around the kernel against a lock for each thing, a real operating system under both. */
import { readFileSync } from "node:fs"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { makeTimedEngine } from "@backplane/compute-engine/timed-engine"
import { readImage } from "@backplane/compute-image/image"
import { explain } from "@backplane/compute-image/rejection"
import { kernelPath, KERNELS } from "@backplane/guests/build-kernel"
import { timingParameters } from "@backplane/memory-timing/timing-parameters"
import { resolveTiming } from "@backplane/scenario-machine/timing-presets"
import { Board } from "@backplane/trap-board/board"
import { virtualTimeOrder } from "@backplane/trap-board/turn-order"
import { round, type FigureSize, type VirtualFigure } from "./figure.ts"

const MEMORY_BYTES = 16 * 2 ** 20
const CHUNK_INSTRUCTIONS = 1_000_000
const INSTRUCTIONS_MAX = 400_000_000

interface KernelRun {
  readonly kernel: "kernel" | "kernel-biglock"
  readonly cpus: number
  readonly command: string
}

/** Cycles until the kernel has run the command and powered off, on the CPU that took longest. */
function bootCycles({ kernel, cpus, command }: KernelRun): number {
  const file = KERNELS.find(({ name }) => name === kernel)
  if (file === undefined) throw new Error(`there is no image of ${kernel}`)
  const image = readImage(readFileSync(kernelPath(file)), { memory: { base: RAM_BASE, bytes: BigInt(MEMORY_BYTES) }, symbols: [] })
  if (image.kind === "rejection") throw new Error(`${kernel}: ${explain(image)}`)
  const spec = resolveTiming({ fidelity: "timed", preset: "modern" })
  const engine = makeTimedEngine({ memoryBytes: MEMORY_BYTES, cpus }, timingParameters(spec, { nodes: 1 }))
  const board = new Board(engine, image, { bootArguments: `run=${command}`, order: virtualTimeOrder(engine.timing) })
  while (board.instructions() < INSTRUCTIONS_MAX) {
    const stop = board.run(CHUNK_INSTRUCTIONS)
    if (stop.kind === "budget") continue
    if (stop.kind !== "end" || stop.code !== 0) throw new Error(`${kernel} on ${cpus} CPUs did not end well: ${JSON.stringify(stop)}`)
    return Math.max(...Array.from({ length: cpus }, (_, cpu) => engine.timing.time(cpu)))
  }
  throw new Error(`${kernel} on ${cpus} CPUs did not end within ${INSTRUCTIONS_MAX} instructions`)
}

const VARIANTS = [
  ["one lock", "kernel-biglock"],
  ["a lock for each thing", "kernel"],
] as const

/** System calls of as many processes as CPUs, less what boot takes; per call of one process. */
export function teachingKernel(size: FigureSize): VirtualFigure {
  const cpus = size === "full" ? [1, 2, 4, 6, 8] : [1, 4]
  const boot = VARIANTS.map(([, kernel]) => cpus.map((count) => bootCycles({ kernel, cpus: count, command: "help" })))
  const costs = VARIANTS.map(([, kernel], variant) =>
    cpus.map(
      (count, index) => (bootCycles({ kernel, cpus: count, command: `kernel-locks ${count}` }) - (boot[variant]?.[index] ?? 0)) / 100,
    ),
  )
  return {
    name: "teaching-kernel",
    title: "The teaching kernel: cycles per round of system calls, as many processes as CPUs (modern costs, one node)",
    columns: ["CPUs", ...VARIANTS.map(([name]) => name)],
    rows: cpus.map((count, index) => [count, ...costs.map((each) => Math.round(each[index] ?? 0))]),
    notes: ["kernel.bin and kernel-biglock.bin of tools/guests/kernel, booted natively on the timed board; the program is `kernel-locks`."],
    chart: {
      title: "One lock around the kernel, or one for each thing",
      xLabel: "CPUs, and processes",
      yLabel: "cycles per round of system calls",
      x: cpus,
      xScale: "linear",
      series: VARIANTS.map(([name], variant) => ({ name, y: costs[variant] ?? [] })),
    },
    values: Object.fromEntries(
      ["big", "fine"].flatMap((name, variant) => cpus.map((count, index) => [`${name}_${count}`, round(costs[variant]?.[index] ?? 0)])),
    ),
  }
}
