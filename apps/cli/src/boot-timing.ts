/**
 * `--fidelity timed` of `boot`: the guest on the timed engine, and the account of its time. Instructions, caches, TLB and memory are charged as
 * they happen, on each CPU; exits are charged by how often each cause occurred, from the same cost table (scenario, `timing.events`).
 *
 * Natively, CPUs take turns in the order of their virtual time, in short windows. The guest's own clock still goes by instructions.
 */
import { makeTimedEngine, type TimedEngine } from "@backplane/compute-engine/timed-engine"
import { timingParameters } from "@backplane/memory-timing/timing-parameters"
import { reasonOf } from "@backplane/scenario-machine/schema-error"
import { resolveTiming } from "@backplane/scenario-machine/timing-presets"
import { FIDELITIES, TIMING_PRESETS, TimingInput, type EventCosts, type TimingSpec } from "@backplane/scenario-machine/timing-spec"
import { Compile } from "typebox/compile"
import { parse } from "yaml"
import { refuse, type BootFlags, type BootPlan } from "./boot-flags.ts"
import { readFile } from "./guest-file.ts"
import type { CpuTiming } from "@backplane/compute-contract/timing"
import type { EngineOptions } from "@backplane/compute-contract/engine"

const PLACEMENTS = ["first-touch", "interleave", "local"] as const
export interface TimedPlan {
  readonly spec: TimingSpec
  readonly nodes: number
}

export interface TimingReport {
  readonly preset: string
  readonly clockMegahertz: number
  readonly nodes: number
  /** Of the CPU that took longest, and with the events, which are not told apart by CPU. */
  readonly cycles: number
  readonly milliseconds: number
  readonly eventCycles: number
  readonly events: Readonly<Record<string, { readonly count: number; readonly cycles: number }>>
  readonly cpus: readonly (CpuTiming & {
    readonly cpu: number
    readonly node: number
    readonly instructions: number
    readonly cyclesPerInstruction: number
  })[]
}

/** Null: functional. */
export function timedPlanOf(flags: BootFlags, { mode }: Pick<BootPlan, "mode">): TimedPlan | null {
  const fidelity = FIDELITIES.find((name) => name === (flags.fidelity ?? "functional"))
  if (fidelity === undefined) throw refuse("--fidelity", `${flags.fidelity} is not built`, `give ${FIDELITIES.join(" or ")}`)
  if (fidelity === "functional") {
    for (const [flag, value] of [
      ["--timing", flags.timing],
      ["--placement", flags.placement],
    ] as const)
      // prettier-ignore
      if (value !== undefined) throw refuse(flag, "only a timed run has costs", "add --fidelity timed")
    return null
  }
  const costs = costsOf(flags.timing ?? "modern")
  const placement = PLACEMENTS.find((name) => name === (flags.placement ?? "first-touch"))
  if (placement === undefined) throw refuse("--placement", `${flags.placement} is not built`, `give ${PLACEMENTS.join(", ")}`)
  const nodes = Number(flags.nodes ?? "1")
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > Math.min(flags.cpus, TIMED_NODES_MAX))
    throw refuse("--nodes", `${flags.nodes} nodes cannot be`, `give 1 to ${Math.min(flags.cpus, TIMED_NODES_MAX)}: each node has a CPU`)
  if (mode !== "native" && nodes > 1)
    throw refuse("--nodes", "a VM over several nodes is not built here", "give --mode native, or leave it out")
  return { spec: specOf({ ...costs, fidelity, ...(flags.placement !== undefined && { placement }) }, flags.timing), nodes }
}

/** A preset by name, or the `timing` of a scenario file. */
function costsOf(name: string): TimingInput {
  const preset = TIMING_PRESETS.find((each) => each === name)
  if (preset !== undefined) return { preset }
  if (!/\.(ya?ml|json)$/.test(name))
    throw refuse("--timing", `there is no cost table ${name}`, `give ${TIMING_PRESETS.join(", ")} or a scenario file`)
  const file = parsedFile(name)
  const timing: unknown = typeof file === "object" && file !== null && "timing" in file ? file.timing : undefined
  if (timing === undefined) throw refuse("--timing", `${name} has no field timing`, "give a scenario with one: see SCENARIO.md")
  const wrong = checkTimingInput.Errors(timing)[0]
  if (wrong !== undefined)
    throw refuse("--timing", `${name}: timing${wrong.instancePath.replaceAll("/", ".")}: ${reasonOf(wrong)}`, "see SCENARIO.md")
  return timing as TimingInput
}

const checkTimingInput = Compile(TimingInput)

function parsedFile(path: string): unknown {
  const text = new TextDecoder().decode(readFile(path, "--timing"))
  try {
    return parse(text)
  } catch (error) {
    throw refuse(
      "--timing",
      `${path}: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)}`,
      "give YAML or JSON",
    )
  }
}

function specOf(input: TimingInput, name = "modern"): TimingSpec {
  try {
    return resolveTiming(input)
  } catch (error) {
    throw refuse("--timing", `${name}: ${error instanceof Error ? error.message : String(error)}`, "see SCENARIO.md")
  }
}

const TIMED_NODES_MAX = 30

export function timedEngineFor(options: EngineOptions, { spec, nodes }: TimedPlan): TimedEngine {
  return makeTimedEngine(options, timingParameters(spec, { nodes }))
}

export function timingReport(
  engine: TimedEngine,
  { spec, nodes }: TimedPlan,
  booted: { readonly mode: BootPlan["mode"]; readonly exits: ReadonlyMap<string, number> },
): TimingReport {
  const { timing } = engine
  const cpus = Array.from({ length: engine.options.cpus }, (_, cpu) => {
    const instructions = Number(engine.readInstret(cpu))
    const counters = timing.counters(cpu)
    return {
      cpu,
      node: timing.nodeOf(cpu),
      instructions,
      cyclesPerInstruction: round(counters.cycles / Math.max(1, instructions)),
      ...counters,
    }
  })
  const events = Object.fromEntries(
    [...booted.exits].map(([cause, count]) => [cause, { count, cycles: count * exitCycles(spec.events, booted.mode, cause) }]),
  )
  const eventCycles = Object.values(events).reduce((sum, { cycles }) => sum + cycles, 0)
  const cycles = Math.max(...cpus.map((cpu) => cpu.cycles)) + eventCycles
  return {
    preset: spec.preset,
    clockMegahertz: spec.clockMegahertz,
    nodes,
    cycles,
    milliseconds: round(cycles / spec.clockMegahertz / 1000),
    eventCycles,
    events,
    cpus,
  }
}

/** For a person: a line for the machine, one for each CPU. */
export function timingText({ preset, cycles, milliseconds, eventCycles, cpus }: TimingReport): string {
  const head = `virtual time (${preset}): ${milliseconds} ms, ${cycles} cycles, of them ${eventCycles} for exits and traps`
  const rows = cpus.map(
    (cpu) =>
      `  CPU ${cpu.cpu} on node ${cpu.node}: ${cpu.cyclesPerInstruction} cycles per instruction; misses ${cpu.fetchMisses} fetch, ${cpu.dataMisses} data, ${cpu.localMisses} local and ${cpu.remoteMisses} remote memory, ${cpu.tlbMisses} TLB`,
  )
  return [head, ...rows].join("\n")
}

/** What one exit of this cause costs. Natively only traps leave the instruction stream; under a VMM everything does that is counted. */
export function exitCycles(events: EventCosts, mode: BootPlan["mode"], cause: string): number {
  const { trap, exit, emulate, inject, shadowFill, shadowFlush, device, hypercall } = events
  if (mode === "native") return NATIVE_TRAPS.test(cause) ? trap : 0
  if (cause.startsWith("io-") || cause === "disk") return exit + device
  if (cause === "sbi") return hypercall
  if (cause.includes("shadow") || cause === "frame" || cause.endsWith("-miss")) return exit + shadowFill
  if (cause === "fence" || cause === "satp") return exit + shadowFlush
  if (/^(csr|pmp|return|wait|watch)$/.test(cause)) return exit + emulate
  // What is left are exceptions and interrupts, handed to the guest.
  return exit + inject
}

/** Exceptions, interrupts and calls of the firmware; CSRs, returns and devices are instructions there. */
const NATIVE_TRAPS = /^(?!(csr|return|wait|fence|watch|io-load|io-store)$)/

const round = (value: number): number => Math.round(value * 1e4) / 1e4
