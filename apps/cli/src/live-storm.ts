/**
 * The storm over NATS: machines on a stack, a swap of their scheduler every so many slices through all policies and a program in another
 * language, and processes that host schedulers killed in the middle of a swap. The simulator draws the machines and reads the record of what
 * their CPUs ran; here they are made, swapped and disturbed.
 *
 * A killed process hosts schedulers of every machine: one kill, in a step of one machine's swap, is one in the middle of a run for the others.
 */
import { spawn, type ChildProcess } from "node:child_process"
import { randomInt } from "node:crypto"
import type { MachineSpec, PolicyName } from "@backplane/scenario-machine/machine-spec"
import { HYPERVISOR } from "@backplane/scenario-machine/topology"
import type { RunResult } from "@backplane/trap-hypervisor/run-result"
import type { SwapAnswer } from "@backplane/trap-contract/operator-messages"
import { askHypervisor } from "./ask-hypervisor.ts"
import { ROOT, runProgram } from "./checkout.ts"
import { environmentOf } from "./commands/sched-services.ts"
import type { ExitRecord } from "./exit-record.ts"
import { CommandFailure } from "./failure.ts"
import { withStack } from "./live-stack.ts"
import { mapLimited } from "./map-limited.ts"
import { unwrap, waitForEnd, withMachine } from "./machine-run.ts"
import { readStack, type StackClient, type StackProcess } from "./stack-client.ts"

const SIMULATOR = "apps/simulator/src/main.ts"
export const SERVICE_COMMAND = "python3 tools/stack/examples/round_robin.py"
const SERVICE = "storm-service"
const ATTACH_AGAIN_MILLISECONDS = 2_000
const POLL_MILLISECONDS = 20
/** As the simulator draws its storms, and for how long after a swap it counts gaps. */
const SLICE_TICKS = 5
const WINDOW_SLICES = 2
const START_MILLISECONDS = 60_000
/** A swap is told, written, told to nodes, attached, decided and judged within this, on a computer that is not overloaded. */
const SWAP_MILLISECONDS = 40
/** A process is there again when it has been ready for so long: then it hosts what it hosted before. */
const UP_MILLISECONDS = 3_000

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
}

export type GapCounts = Readonly<Record<string, number>>

export interface Gap {
  readonly count: number
  readonly p50Slices: number
  readonly p99Slices: number
  readonly mostSlices: number
}

export interface MachineReport extends Ledger {
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
}

export interface LiveStormReport {
  readonly swaps: number
  readonly kills: number
  readonly seconds: number
  readonly everySlices: number
  readonly sliceMilliseconds: number
  readonly good: boolean
  readonly gap: Gap
  readonly gapDisturbed: Gap
  readonly machines: readonly MachineReport[]
}

/** Nothing lost, begun again, run twice or outside its mask, all work done once. */
export function isSound({ lost, restarts, ticksTwice, ticksOutside, ticksWrong }: Ledger): boolean {
  return lost + restarts + ticksTwice + ticksOutside + ticksWrong === 0
}

/** `counts`: by ticks. By the nearest rank. */
export function gapOf(counts: readonly GapCounts[], sliceTicks: number): Gap {
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

export async function liveStorm(options: LiveStormOptions): Promise<LiveStormReport> {
  const { drawn, machines: width, minutes } = options
  const todo = await drawMachines(options)
  const begun = Date.now()
  const mayBegin = (): boolean => minutes === null || Date.now() - begun < minutes * 60_000
  const reports = await withStack(options.home, async (client) => {
    const victims = new Victims(client, options.service)
    await victims.begin()
    try {
      const done = await mapLimited(todo, width, async (next) => {
        if (!mayBegin()) return null
        const report = await oneMachine(client, next, { victims, killEvery: options.killEvery })
        options.onMachine(report)
        return report
      })
      return done.filter((report) => report !== null)
    } finally {
      await victims.end()
    }
  })
  const sum = (of: (report: MachineReport) => number): number => reports.reduce((total, report) => total + of(report), 0)
  const gap = gapOf(reports.map(({ calmGaps }) => calmGaps), SLICE_TICKS) // prettier-ignore
  return {
    swaps: sum(({ swaps }) => swaps),
    kills: sum(({ kills }) => kills),
    seconds: Math.round((Date.now() - begun) / 1000),
    everySlices: drawn.everySlices,
    sliceMilliseconds: drawn.sliceMilliseconds,
    good: reports.length > 0 && reports.every(isSound) && gap.p99Slices <= 1,
    gap,
    gapDisturbed: gapOf(reports.map(({ disturbedGaps }) => disturbedGaps), SLICE_TICKS), // prettier-ignore
    machines: reports,
  }
}

async function drawMachines({ drawn, service }: LiveStormOptions): Promise<Drawn[]> {
  const { swaps, everySlices, from, perMachine, sliceMilliseconds } = drawn
  const numbers = { swaps, every: everySlices, from, "per-machine": perMachine, "slice-ms": sliceMilliseconds }
  const flags = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, String(value)])
  const printed = await runProgram(SIMULATOR, ["storm-live-machines", ...flags, ...(service === null ? [] : ["--service"])])
  if (printed.code !== 0) throw new CommandFailure("bad-input", "the machines of the storm could not be drawn; see above")
  return (JSON.parse(printed.stdout) as { readonly machines: Drawn[] }).machines
}

interface Disturbed {
  readonly victims: Victims
  readonly killEvery: number
}

function oneMachine(client: StackClient, drawn: Drawn, disturbed: Disturbed): Promise<MachineReport> {
  return withMachine(client, drawn.spec, async (machine) => {
    const told = await swapAll(client, machine, drawn, disturbed)
    const sliceMilliseconds = SLICE_TICKS * drawn.tickMilliseconds
    const result = unwrap(await waitForEnd(client, machine))
    const isCalm = ({ calm, at }: AskedSwap): boolean => calm && !disturbed.victims.killedWithin(at, WINDOW_SLICES * sliceMilliseconds)
    const ticks = (wanted: boolean): readonly number[] => told.swaps.filter((swap) => isCalm(swap) === wanted).map(({ tick }) => tick)
    const ledger = await ledgerOf({ storm: drawn, calmTicks: ticks(true), disturbedTicks: ticks(false), result })
    const { exits = [] } = ((await client.inspect(machine, HYPERVISOR)) ?? {}) as { readonly exits?: readonly ExitRecord[] }
    const { seed, spec } = drawn
    return {
      seed,
      swaps: told.swaps.length,
      toService: told.toService,
      sets: told.sets,
      refused: told.refused,
      prefetch: spec.schedule.prefetch === true,
      kills: told.kills,
      ejections: Math.max(0, ...exits.map(({ exit }) => exit)),
      exits: exits.map(({ tick, policy, queue, fault, message }) => `tick ${tick}: ${policy} (queue ${queue}) ${fault}: ${message}`),
      ...ledger,
    }
  })
}

interface AskedSwap {
  readonly tick: number
  /** By the wall's clock. */
  readonly at: number
  /** All processes that schedule were there. */
  readonly calm: boolean
}

interface Told {
  readonly swaps: AskedSwap[]
  toService: number
  sets: number
  refused: number
  kills: number
}

async function swapAll(client: StackClient, machine: string, drawn: Drawn, { victims, killEvery }: Disturbed): Promise<Told> {
  const told: Told = { swaps: [], toService: 0, sets: 0, refused: 0, kills: 0 }
  const origin = await begun(client, machine)
  for (const [index, { atTick, policy, cpus }] of drawn.swaps.entries()) {
    await sleep(origin + atTick * drawn.tickMilliseconds - Date.now())
    const calm = victims.areThere
    const service = policy === null ? await client.takeService(machine, SERVICE) : undefined
    const ask = { kind: "SwapAsk", policy: policy ?? SERVICE, service, cpus }
    const answer = await askHypervisor<SwapAnswer>(client, machine, ask).catch((error: unknown) => {
      if (error instanceof CommandFailure && error.kind === "refused") return null
      throw error
    })
    if (answer === null) told.refused++
    else told.swaps.push({ tick: answer.tick, at: Date.now(), calm })
    if (answer !== null && policy === null) told.toService++
    if (answer !== null && cpus !== undefined) told.sets++
    if (killEvery === 0 || index % killEvery !== killEvery - 1) continue
    const isNear = policy === null || drawn.swaps[index - 1]?.policy === null
    await sleep(randomInt(SWAP_MILLISECONDS))
    if (await victims.kill(isNear)) told.kills++
  }
  return told
}

/** Waits for the first tick, and says when that was. */
async function begun(client: StackClient, machine: string): Promise<number> {
  for (const deadline = Date.now() + START_MILLISECONDS; Date.now() < deadline; await sleep(POLL_MILLISECONDS)) {
    const state = (await client.inspect(machine, HYPERVISOR).catch(() => null)) as { nodes?: readonly { tick: number }[] } | null
    if (state?.nodes?.some(({ tick }) => tick >= 0) === true) return Date.now()
  }
  throw new CommandFailure(
    "stalled",
    `the machine ${machine} has not begun after ${START_MILLISECONDS / 1000} s: see the logs (npx nx run stack:logs)`,
  )
}

async function ledgerOf(outcome: {
  readonly storm: Drawn
  readonly calmTicks: readonly number[]
  readonly disturbedTicks: readonly number[]
  readonly result: RunResult
}): Promise<Ledger> {
  const printed = await runProgram(SIMULATOR, ["storm-live-ledger"], JSON.stringify(outcome))
  if (printed.code !== 0) throw new CommandFailure("ledger", `seed ${outcome.storm.seed}: what was run could not be added up; see above`)
  return JSON.parse(printed.stdout) as Ledger
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, milliseconds)))
}

/** The processes that host schedulers: the stack's, and the service's program, which is ours to start again. */
class Victims {
  readonly #client: StackClient
  readonly #command: string | null
  readonly #instance = `${SERVICE}-${process.pid}`
  readonly #killTimes: number[] = []
  #startedAt = 0
  #turn = 0
  #child: ChildProcess | null = null
  #again: NodeJS.Timeout | undefined
  #isOver = false

  constructor(client: StackClient, command: string | null) {
    this.#client = client
    this.#command = command
  }

  async begin(): Promise<void> {
    if (this.#command === null) return
    this.#start(this.#command)
    const manifest = { name: SERVICE, version: "1", contract: 1, language: "", layout: "all", features: [] }
    const attach = (): Promise<unknown> => this.#client.office({ op: "attach", instance: this.#instance, manifest })
    await attach()
    this.#again = setInterval(() => void attach().catch(() => undefined), ATTACH_AGAIN_MILLISECONDS)
  }

  #start(command: string): void {
    const env = environmentOf(this.#client.state, this.#instance)
    const child = spawn(`exec ${command}`, { shell: true, cwd: ROOT, env, stdio: ["ignore", "ignore", "inherit"] })
    this.#child = child
    this.#startedAt = Date.now()
    child.once("exit", () => this.#isOver || this.#child !== child || this.#start(command))
  }

  get #hosts(): readonly StackProcess[] {
    return (readStack(this.#client.state.home)?.processes ?? []).filter(({ name }) => name.startsWith("cpu-scheduler"))
  }

  /** None of them was killed lately. */
  get areThere(): boolean {
    const before = Date.now() - UP_MILLISECONDS
    return this.#hosts.every(({ phase, since }) => phase === "ready" && since < before) && this.#startedAt < before
  }

  killedWithin(at: number, milliseconds: number): boolean {
    return this.#killTimes.some((time) => time >= at && time <= at + milliseconds)
  }

  /** One of them, in turn; `service`: the service's program, where there is one. False: somebody is still coming back from the last time. */
  async kill(service: boolean): Promise<boolean> {
    if (!this.areThere) return false
    this.#killTimes.push(Date.now())
    if (service && this.#child !== null) return this.#child.kill("SIGKILL")
    const hosts = this.#hosts
    const victim = hosts[this.#turn++ % Math.max(1, hosts.length)]
    if (victim === undefined) return false
    await this.#client.power(victim.name, "cycle")
    return true
  }

  async end(): Promise<void> {
    this.#isOver = true
    clearInterval(this.#again)
    this.#child?.kill("SIGKILL")
    if (this.#command !== null) await this.#client.office({ op: "detach", service: SERVICE }).catch(() => undefined)
  }
}
