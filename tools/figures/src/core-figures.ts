/** What a core gives: two threads that share it, and a cache that is warm or not. */
import { makeTimedEngine } from "@backplane/compute-engine/timed-engine"
import { timingParameters } from "@backplane/memory-timing/timing-parameters"
import { resolveTiming } from "@backplane/scenario-machine/timing-presets"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { percentOf, round, type FigureSize, type VirtualFigure } from "./figure.ts"
import { loadWorkload, measure, slowest } from "./multiprocessor.ts"

interface Mixture {
  readonly name: string
  /** Bytes of each thread's walk, and cycles between two steps. */
  readonly bytes: number
  readonly work: number
}

/** First level 8 KiB, second 64 KiB: walks stay within the first, within the second, or in neither. */
const MIXTURES: readonly Mixture[] = [
  { name: "no misses", bytes: 2048, work: 40 },
  { name: "second level, much work", bytes: 24_576, work: 120 },
  { name: "second level, some work", bytes: 24_576, work: 40 },
  { name: "second level, little work", bytes: 24_576, work: 10 },
  { name: "memory, much work", bytes: 524_288, work: 900 },
  { name: "memory, some work", bytes: 524_288, work: 300 },
  { name: "memory, no work", bytes: 524_288, work: 0 },
]
const SHARED_CORE = { preset: "modern", threadsPerCore: 2, firstLevel: { bytes: 8192 }, secondLevel: { bytes: 65_536, ways: 8 } } as const

/** Two threads on one core against one after the other on it: what is gained comes from one issuing while the other stands still. */
export function threads(size: FigureSize): VirtualFigure {
  const steps = size === "full" ? 4000 : 800
  const cycles = (bytes: number, work: number, harts: readonly number[]): number =>
    slowest(measure({ workload: "mixture", cpus: 2, nodes: 1, parameters: [bytes, steps, work], timing: SHARED_CORE, harts, memoryBytes: 4 * 2 ** 20 })) // prettier-ignore
  const results = MIXTURES.map(({ name, bytes, work }) => {
    const one = cycles(bytes, work, [0])
    // The same instructions without a miss.
    const stalled = 1 - cycles(1024, work, [0]) / one
    return { name, stalled, speedup: (2 * one) / cycles(bytes, work, [0, 1]) }
  })
  return {
    name: "threads",
    title: "Two threads of one core: work done against one thread alone (modern costs, 8 KiB and 64 KiB of cache)",
    columns: ["walks, and what is between two steps", "one thread stands still", "speed-up"],
    rows: results.map(({ name, stalled, speedup }) => [name, percentOf(Math.max(0, stalled)), round(speedup)]),
    notes: [
      "Shared are issue (one instruction a cycle), first level and TLB: near 1.0 when neither ever waits, near 2.0 when both always do.",
      "Mixtures between give the 1.2 to 1.8 that is told of hyper-threading.",
    ],
    chart: {
      title: "Two threads of one core",
      hint: "work done against one thread alone",
      groups: [
        { name: "", bars: results.map(({ name, speedup }) => ({ name, value: speedup, words: `${round(speedup)} ×`, whose: "ours" })) },
      ],
    },
    values: Object.fromEntries(results.map(({ speedup }, index) => [`mixture_${index}`, round(speedup)])),
  }
}

/** Two tasks on two CPUs: each stays on its CPU, or they change places at the end of every slice. */
export function cacheAffinity(size: FigureSize): VirtualFigure {
  const slices = size === "full" ? [10_000, 30_000, 100_000, 300_000] : [10_000, 100_000]
  const steps = size === "full" ? 30_000 : 8000
  const results = slices.map((slice) => {
    const stays = affinityRun({ slice, steps, changes: false })
    const changes = affinityRun({ slice, steps, changes: true })
    return { slice, stays, changes, slower: changes / stays }
  })
  return {
    name: "cache-affinity",
    title: "Cache affinity: two tasks of 24 KiB that stay on their CPUs, or change places every slice (disco1997, a node each)",
    columns: ["slice, cycles", "stay", "change", "slower by"],
    rows: results.map(({ slice, stays, changes, slower }) => [slice, stays, changes, `${round(slower)} ×`]),
    notes: [
      "A task that comes to another CPU finds none of its lines there, and takes them out of the cache where it was; a context switch costs the same in both.",
    ],
    chart: {
      title: "Cache affinity",
      xLabel: "cycles of a slice",
      yLabel: "time against tasks that stay",
      x: slices,
      xScale: "doubling",
      series: [
        { name: "stay", y: slices.map(() => 1) },
        { name: "change places", y: results.map(({ slower }) => round(slower)) },
      ],
    },
    values: Object.fromEntries(results.map(({ slice, slower }) => [`slower_${slice}`, round(slower)])),
  }
}

/** Cycles until both tasks are done. The host is the scheduler: it moves registers at slice ends and charges the switch. */
function affinityRun({ slice, steps, changes }: { readonly slice: number; readonly steps: number; readonly changes: boolean }): number {
  const spec = resolveTiming({ preset: "disco1997", fidelity: "timed" })
  const memoryBytes = 2 ** 20
  const engine = makeTimedEngine({ memoryBytes, cpus: 2 }, timingParameters(spec, { nodes: 2 }))
  const image = loadWorkload("mixture", memoryBytes)
  for (const { address, data } of image.segments) engine.writeMemory(address, data)
  const { timing } = engine
  const left = new Set([0, 1])
  // Each task is a program of one hart: its own stack and data, two megabytes of addresses apart in effect by its number.
  for (const cpu of left) {
    const parameters = [cpu, 1, 24_576, steps, 6]
    parameters.forEach((value, index) => engine.writeRegister(cpu, 10 + index, BigInt(value)))
    engine.writePc(cpu, image.entry)
    timing.setRunnable(cpu, "runnable")
  }
  for (let until = slice; left.size > 0; until += slice) {
    for (let running = true; running;) {
      const end = timing.runTogether(2 ** 40, until)
      running = end.cpu !== null
      if (end.cpu === null) break
      const exit = engine.lastExit(end.cpu)
      if (exit.kind === "system" && exit.instruction >>> 20 === 0xc00) engine.completeSystem(end.cpu, BigInt(timing.time(end.cpu)))
      else {
        timing.setRunnable(end.cpu, "waiting")
        left.delete(end.cpu)
      }
    }
    if (left.size === 2) {
      if (changes) {
        const [first, second] = [engine.captureCpu(0), engine.captureCpu(1)]
        engine.restoreCpu(0, second)
        engine.restoreCpu(1, first)
      }
      for (const cpu of left) timing.charge(cpu, spec.events.contextSwitch)
    }
  }
  if (engine.readRegister(0, 10) === 0n || engine.readPc(0) < RAM_BASE) throw new Error("a task went wrong")
  return Math.max(timing.time(0), timing.time(1))
}
