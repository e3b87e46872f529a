/**
 * The storm over NATS: which machines and swaps there are, and what they came to. The command in between makes the machines on a stack, asks
 * for the swaps, and kills processes (apps/cli/src/live-storm.ts). Both read and print JSON.
 */
import { createInterface } from "node:readline"
import { parseArgs } from "node:util"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import type { RunResult } from "@backplane/trap-hypervisor/run-result"
import { wholeFlag } from "../whole-flag.ts"
import { gapsAfter, stormLedger, type Gap, type StormLedger } from "./storm-ledger.ts"
import { NODES, SLICE_TICKS, stormMachine, stormSwaps, type StormSwap } from "./storm-machine.ts"
import { WINDOW_SLICES } from "./storm.ts"

/** Cycles of a live machine in a millisecond. */
const CYCLES_PER_MILLISECOND = 100_000

export interface LiveStorm {
  readonly seed: number
  readonly spec: MachineSpec
  readonly swaps: readonly StormSwap[]
  /** Of a tick. */
  readonly tickMilliseconds: number
}

/** Prints the machines: so many as the swaps take. */
export function liveStormMachinesCommand(args: readonly string[]): number {
  const text = { type: "string" } as const
  const { values } = parseArgs({
    args: [...args],
    options: {
      swaps: text,
      every: text,
      from: text,
      "slice-ms": text,
      "per-machine": text,
      cpus: text,
      service: { type: "boolean", default: false },
    },
  })
  const swaps = wholeFlag("--swaps", values.swaps ?? "1000", 1)
  const everySlices = wholeFlag("--every", values.every ?? "50", 1)
  const sliceMilliseconds = wholeFlag("--slice-ms", values["slice-ms"] ?? "100", SLICE_TICKS)
  const cpus = wholeFlag("--cpus", values.cpus ?? "4", NODES)
  const perMachine = wholeFlag("--per-machine", values["per-machine"] ?? "100", 1)
  const machines: LiveStorm[] = []
  for (let done = 0, seed = wholeFlag("--from", values.from ?? "1", 0); done < swaps; done += perMachine, seed++) {
    const options = { seed, swaps: Math.min(perMachine, swaps - done), everySlices, killEvery: 0, cpus }
    machines.push(liveStorm(options, { sliceMilliseconds, service: values.service }))
  }
  process.stdout.write(JSON.stringify({ machines }))
  return 0
}

export function liveStorm(
  options: Parameters<typeof stormMachine>[0],
  { sliceMilliseconds, service }: { readonly sliceMilliseconds: number; readonly service: boolean },
): LiveStorm {
  const tickMilliseconds = sliceMilliseconds / SLICE_TICKS
  const spec = resolveMachineSpec({
    ...stormMachine(options),
    name: `storm-${options.seed}`,
    clock: { mode: "free", tickCycles: tickMilliseconds * CYCLES_PER_MILLISECOND, cyclesPerSecond: 1000 * CYCLES_PER_MILLISECOND },
  })
  return { seed: options.seed, spec, swaps: stormSwaps(options, service), tickMilliseconds }
}

export interface LiveStormOutcome {
  readonly storm: LiveStorm
  /** Ticks at which the swaps that were asked for began: those in whose time all who schedule were there, the others, and those in which the computer stood still. */
  readonly calmTicks: readonly number[]
  readonly disturbedTicks: readonly number[]
  readonly stoppedTicks: readonly number[]
  readonly result: RunResult
}

/** The longest gaps are told one by one. */
const WORST_MOST = 5

/** Of waits, in ticks: how many there were of each. */
export type GapCounts = Readonly<Record<number, number>>

export interface LiveStormReport extends StormLedger {
  readonly lost: number
  readonly restarts: number
  readonly jobs: number
  readonly finish: number
  /** Over the tasks put on a CPU in the slices after a swap. */
  readonly calmGaps: GapCounts
  readonly disturbedGaps: GapCounts
  readonly stoppedGaps: GapCounts
  /** The longest of the calm ones, longest first. */
  readonly worstGaps: readonly Gap[]
}

/** Reads outcomes on standard input, one a line, and prints what each came to, until there are no more. */
export async function liveStormLedgerCommand(): Promise<number> {
  for await (const line of createInterface({ input: process.stdin }))
    process.stdout.write(`${JSON.stringify(liveStormReport(JSON.parse(line) as LiveStormOutcome))}\n`)
  return 0
}

export function liveStormReport({ storm: { spec }, calmTicks, disturbedTicks, stoppedTicks, result }: LiveStormOutcome): LiveStormReport {
  const { lost, restarts, jobs, schedule, finish } = result
  const swapTicks = [...calmTicks, ...disturbedTicks, ...stoppedTicks]
  const every = gapsAfter(spec, schedule, { swapTicks, windowTicks: WINDOW_SLICES * SLICE_TICKS })
  const gaps = (ticks: readonly number[]): readonly Gap[] => every.filter(({ swapTick }) => ticks.includes(swapTick))
  return {
    ...stormLedger(spec, schedule),
    lost: lost.length + Object.values(jobs).filter((end) => end === null).length,
    restarts,
    jobs: Object.keys(jobs).length,
    finish,
    calmGaps: countsOf(gaps(calmTicks)),
    disturbedGaps: countsOf(gaps(disturbedTicks)),
    stoppedGaps: countsOf(gaps(stoppedTicks)),
    worstGaps: [...gaps(calmTicks)].sort((a, b) => b.ticks - a.ticks || a.tick - b.tick || a.cpu - b.cpu).slice(0, WORST_MOST),
  }
}

function countsOf(gaps: readonly Gap[]): GapCounts {
  const counts: Record<number, number> = {}
  for (const { ticks } of gaps) counts[ticks] = (counts[ticks] ?? 0) + 1
  return counts
}
