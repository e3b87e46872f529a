/**
 * The storm over NATS: machines on a stack, a swap of their scheduler every so many slices through all policies and a program in another
 * language, and processes that host schedulers killed in the middle of a swap. The simulator draws the machines and reads the record of what
 * their CPUs ran; here they are made, swapped and disturbed.
 *
 * A killed process hosts schedulers of every machine: one kill, in a step of one machine's swap, is one in the middle of a run for the others.
 * So gaps are told apart: those after swaps in whose time all who schedule were there, those after the others, and those of moments in which
 * the computer itself stood still.
 */
import type { MachineSpec, PolicyName } from "@backplane/scenario-machine/machine-spec"
import { HYPERVISOR } from "@backplane/scenario-machine/topology"
import type { RunResult } from "@backplane/trap-hypervisor/run-result"
import type { SwapAnswer } from "@backplane/trap-contract/operator-messages"
import { askHypervisor } from "./ask-hypervisor.ts"
import { runProgram } from "./checkout.ts"
import type { ExitRecord } from "./exit-record.ts"
import { CommandFailure } from "./failure.ts"
import { HostWatch } from "./host-watch.ts"
import { withStack, type OwnStack } from "./live-stack.ts"
import { SERVICE, StormVictims } from "./live-storm-victims.ts"
import { mapLimited } from "./map-limited.ts"
import { unwrap, waitForEnd, withMachine } from "./machine-run.ts"
import type { StackClient } from "./stack-client.ts"
import { StormLedgerProgram } from "./storm-ledger-program.ts"

const SIMULATOR = "apps/simulator/src/main.ts"
export const SERVICE_COMMAND = "python3 tools/stack/examples/round_robin.py"
const POLL_MILLISECONDS = 100
/** As the simulator draws its storms, and for how long after a swap it counts gaps. */
export const SLICE_TICKS = 5
const WINDOW_SLICES = 2
const START_MILLISECONDS = 60_000

interface Drawn {
  readonly seed: number
  readonly spec: MachineSpec
  readonly tickMilliseconds: number
  /** `policy` null: the service. */
  readonly swaps: readonly { readonly atTick: number; readonly policy: PolicyName | null; readonly cpus?: readonly number[] }[]
}

export interface LiveStormOptions {
  readonly home: string
  readonly drawn: {
    readonly swaps: number
    readonly everySlices: number
    readonly from: number
    readonly perMachine: number
    readonly sliceMilliseconds: number
    readonly cpus: number
  }
  readonly machines: number
  readonly killEvery: number
  readonly minutes: number | null
  /** The program that takes its turn; null: none. */
  readonly service: string | null
  readonly onMachine: (report: MachineReport) => void
}

/** From the simulator's `storm-live-ledger`. */
export interface Ledger {
  readonly ticksTwice: number
  readonly ticksOutside: number
  readonly ticksWrong: number
  readonly lost: number
  readonly restarts: number
  /** Ticks until all work was done. */
  readonly finish: number
  /** Ticks that CPU and task both waited, of the tasks put on a CPU in the slices after a swap: how often each. */
  readonly calmGaps: GapCounts
  /** The same of swaps in whose time a process that schedules was not there. */
  readonly disturbedGaps: GapCounts
  /** The same of swaps in whose time the computer woke an idle process half a slice late, or later. */
  readonly stoppedGaps: GapCounts
  readonly worstGaps: readonly WorstGap[]
}

export type GapCounts = Readonly<Record<string, number>>

/** One gap of the calm ones: since which swap, when it ended, where, of which task. */
export interface WorstGap {
  readonly swapTick: number
  readonly tick: number
  readonly cpu: number
  readonly job: string
  readonly ticks: number
}

export interface Gap {
  readonly count: number
  readonly p50Slices: number
  readonly p99Slices: number
  readonly mostSlices: number
}

/** What was asked for: the policy (or service) that took over, and of which CPUs if not of all. */
export interface SwapDone {
  readonly tick: number
  readonly policy: string
  readonly cpus?: readonly number[]
}

export interface MachineReport extends Omit<Ledger, "worstGaps"> {
  readonly seed: number
  readonly swaps: number
  /** Of the swaps: to the service, and of a set of CPUs. */
  readonly toService: number
  readonly sets: number
  readonly refused: number
  readonly prefetch: boolean
  /** Processes killed in a step of one of its swaps. */
  readonly kills: number
  readonly ejections: number
  /** Why, of the last of them: queue, policy and fault. */
  readonly exits: readonly string[]
  readonly worstGaps: readonly (WorstGap & { readonly before: string; readonly after: string })[]
}

export interface LiveStormReport {
  readonly swaps: number
  readonly kills: number
  /** Of all steps of a swap, for the scheduler before it and the one after it: those in which a process was killed. */
  readonly placesKilled: number
  readonly places: number
  readonly seconds: number
  readonly everySlices: number
  readonly sliceMilliseconds: number
  readonly good: boolean
  readonly gap: Gap
  readonly gapDisturbed: Gap
  readonly gapStopped: Gap
  readonly machines: readonly MachineReport[]
}

/** Nothing lost, begun again, run twice or outside its mask, all work done once. */
export function isSound({ lost, restarts, ticksTwice, ticksOutside, ticksWrong }: Ledger): boolean {
  return lost + restarts + ticksTwice + ticksOutside + ticksWrong === 0
}

/** `counts`: by ticks. By the nearest rank. */
function gapOf(counts: readonly GapCounts[], sliceTicks: number): Gap {
  const all = new Map<number, number>()
  for (const one of counts) for (const [ticks, count] of Object.entries(one)) all.set(Number(ticks), (all.get(Number(ticks)) ?? 0) + count)
  const sorted = [...all].sort(([a], [b]) => a - b)
  const count = sorted.reduce((sum, [, times]) => sum + times, 0)
  const ranked = (share: number): number => {
    let left = Math.max(1, Math.ceil(share * count))
    for (const [ticks, times] of sorted) if ((left -= times) <= 0) return ticks / sliceTicks
    return 0
  }
  return { count, p50Slices: ranked(0.5), p99Slices: ranked(0.99), mostSlices: (sorted.at(-1)?.[0] ?? 0) / sliceTicks }
}

interface Outcome {
  readonly storm: Drawn
  readonly calmTicks: readonly number[]
  readonly disturbedTicks: readonly number[]
  readonly stoppedTicks: readonly number[]
  readonly result: RunResult
}

/** Few traces, and numbers twice a minute: with all of them the stack would be busier with telling than with scheduling. And no store, which nobody uses here. */
const OWN_STACK: OwnStack = {
  flags: ["--shards", "0"],
  environment: { OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.01", OTEL_METRIC_EXPORT_INTERVAL: "30000" },
}

interface Storm {
  readonly watch: HostWatch
  readonly victims: StormVictims
  readonly ledgers: StormLedgerProgram<Outcome, Ledger>
}

export async function liveStorm(options: LiveStormOptions): Promise<LiveStormReport> {
  const { drawn, machines: width, minutes } = options
  const todo = await drawMachines(options)
  const begun = Date.now()
  const mayBegin = (): boolean => minutes === null || Date.now() - begun < minutes * 60_000
  let places: { readonly placesKilled: number; readonly places: number } = { placesKilled: 0, places: 0 }
  const use = async (client: StackClient): Promise<readonly MachineReport[]> => {
    const ledgers = new StormLedgerProgram<Outcome, Ledger>(SIMULATOR)
    const victims = new StormVictims(client, { command: options.service, killEvery: options.killEvery })
    places = victims
    const watch = new HostWatch(drawn.sliceMilliseconds / 2)
    watch.begin()
    try {
      await victims.begin()
      const done = await mapLimited(todo, width, async (next) => {
        if (!mayBegin()) return null
        const report = await oneMachine(client, next, { victims, ledgers, watch })
        options.onMachine(report)
        return report
      })
      return done.filter((report) => report !== null)
    } finally {
      watch.end()
      ledgers.end()
      await victims.end()
    }
  }
  const reports = await withStack(options.home, use, OWN_STACK)
  const sum = (of: (report: MachineReport) => number): number => reports.reduce((total, report) => total + of(report), 0)
  const gap = gapOf(reports.map(({ calmGaps }) => calmGaps), SLICE_TICKS) // prettier-ignore
  return {
    swaps: sum(({ swaps }) => swaps),
    kills: sum(({ kills }) => kills),
    placesKilled: places.placesKilled,
    places: places.places,
    seconds: Math.round((Date.now() - begun) / 1000),
    everySlices: drawn.everySlices,
    sliceMilliseconds: drawn.sliceMilliseconds,
    good: reports.length > 0 && reports.every(isSound) && gap.p99Slices <= 1,
    gap,
    gapDisturbed: gapOf(reports.map(({ disturbedGaps }) => disturbedGaps), SLICE_TICKS), // prettier-ignore
    gapStopped: gapOf(reports.map(({ stoppedGaps }) => stoppedGaps), SLICE_TICKS), // prettier-ignore
    machines: reports,
  }
}

async function drawMachines({ drawn, service }: LiveStormOptions): Promise<Drawn[]> {
  const { swaps, everySlices, from, perMachine, sliceMilliseconds, cpus } = drawn
  const numbers = { swaps, every: everySlices, from, "per-machine": perMachine, "slice-ms": sliceMilliseconds, cpus }
  const flags = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, String(value)])
  const printed = await runProgram(SIMULATOR, ["storm-live-machines", ...flags, ...(service === null ? [] : ["--service"])])
  if (printed.code !== 0) throw new CommandFailure("bad-input", "the machines of the storm could not be drawn; see above")
  return (JSON.parse(printed.stdout) as { readonly machines: Drawn[] }).machines
}

function oneMachine(client: StackClient, drawn: Drawn, { victims, ledgers, watch }: Storm): Promise<MachineReport> {
  return withMachine(client, drawn.spec, async (machine) => {
    const told = await swapAll(client, machine, drawn, victims)
    const sliceMilliseconds = SLICE_TICKS * drawn.tickMilliseconds
    const result = unwrap(await waitForEnd(client, machine))
    const windowMilliseconds = WINDOW_SLICES * sliceMilliseconds
    const kindOf = ({ calm, at }: AskedSwap): "calm" | "disturbed" | "stopped" =>
      !calm || victims.killedWithin(at, windowMilliseconds)
        ? "disturbed"
        : watch.stoodStill(at - windowMilliseconds, at + windowMilliseconds)
          ? "stopped"
          : "calm"
    const ticks = (kind: string): readonly number[] => told.swaps.filter((swap) => kindOf(swap) === kind).map(({ tick }) => tick)
    const [calmTicks, disturbedTicks, stoppedTicks] = [ticks("calm"), ticks("disturbed"), ticks("stopped")]
    const ledger = await ledgers.add({ storm: drawn, calmTicks, disturbedTicks, stoppedTicks, result })
    const { exits = [] } = ((await client.inspect(machine, HYPERVISOR)) ?? {}) as { readonly exits?: readonly ExitRecord[] }
    const { seed, spec } = drawn
    return {
      seed,
      swaps: told.swaps.length,
      toService: told.swaps.filter(({ policy }) => policy === SERVICE).length,
      sets: told.swaps.filter(({ cpus }) => cpus !== undefined).length,
      refused: told.refused,
      prefetch: spec.schedule.prefetch === true,
      kills: told.kills,
      ejections: Math.max(0, ...exits.map(({ exit }) => exit)),
      exits: exits.map(({ tick, policy, queue, fault, message }) => `tick ${tick}: ${policy} (queue ${queue}) ${fault}: ${message}`),
      ...ledger,
      worstGaps: ledger.worstGaps.map((gap) => ({ ...gap, ...aroundSwap(told.swaps, gap.swapTick, spec.schedule.policy) })),
    }
  })
}

/** Which policy went, and which came. */
function aroundSwap(swaps: readonly AskedSwap[], tick: number, first: string): { readonly before: string; readonly after: string } {
  const index = swaps.findIndex((swap) => swap.tick === tick)
  const nameOf = ({ policy, cpus }: SwapDone): string => (cpus === undefined ? policy : `${policy} on CPU ${cpus.join(" ")}`)
  const [before, after] = [swaps[index - 1], swaps[index]]
  return { before: before === undefined ? first : nameOf(before), after: after === undefined ? "" : nameOf(after) }
}

interface AskedSwap extends SwapDone {
  /** By the wall's clock. */
  readonly at: number
  /** All processes that schedule were there. */
  readonly calm: boolean
}

interface Told {
  readonly swaps: AskedSwap[]
  refused: number
  kills: number
}

async function swapAll(client: StackClient, machine: string, drawn: Drawn, victims: StormVictims): Promise<Told> {
  const told: Told = { swaps: [], refused: 0, kills: 0 }
  const origin = await begun(client, machine, drawn.tickMilliseconds)
  let before: PolicyName | null = drawn.spec.schedule.policy
  for (const { atTick, policy, cpus } of drawn.swaps) {
    await sleep(origin + atTick * drawn.tickMilliseconds - Date.now())
    const calm = victims.areThere
    const service = policy === null ? await client.takeService(machine, SERVICE) : undefined
    const ask = { kind: "SwapAsk", policy: policy ?? SERVICE, service, cpus }
    const killed = victims.killInNext(machine, { before, after: policy, cpus: drawn.spec.topology.cpus })
    const answer = await askHypervisor<SwapAnswer>(client, machine, ask).catch((error: unknown) => {
      if (error instanceof CommandFailure && error.kind === "refused") return null
      throw error
    })
    if (await killed) told.kills++
    if (answer === null) told.refused++
    else told.swaps.push({ tick: answer.tick, policy: policy ?? SERVICE, ...(cpus && { cpus }), at: Date.now(), calm })
    if (answer !== null) before = policy
  }
  return told
}

/** Waits for the first tick, and says when that was. */
async function begun(client: StackClient, machine: string, tickMilliseconds: number): Promise<number> {
  for (const deadline = Date.now() + START_MILLISECONDS; Date.now() < deadline; await sleep(POLL_MILLISECONDS)) {
    const state = (await client.inspect(machine, HYPERVISOR).catch(() => null)) as { nodes?: readonly { tick: number }[] } | null
    const tick = Math.max(-1, ...(state?.nodes?.map((node) => node.tick) ?? []))
    if (tick >= 0) return Date.now() - tick * tickMilliseconds
  }
  throw new CommandFailure(
    "stalled",
    `the machine ${machine} has not begun after ${START_MILLISECONDS / 1000} s: see the logs (npx nx run stack:logs)`,
  )
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, milliseconds)))
}
