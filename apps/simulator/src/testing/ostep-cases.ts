/**
 * The OSTEP model three times over: reference cases as files (schedule/conformance/cases, facts taken from the chapter's own
 * program), the flat oracle, and the simulated machine; all brought to one shape, so that a test compares them with one `toEqual`.
 *
 * For tests only.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { Random } from "@backplane/foundation-base/random"
import { resolveMachineSpec, type MachineInput } from "@backplane/scenario-machine/resolve"
import { runOracle, type OracleJob, type OracleParameters, type OracleResult } from "@backplane/schedule-conformance/ostep-oracle"
import { percent } from "@backplane/trap-hypervisor/run-result"
import { simulate } from "../simulate.ts"

const CASES = join(import.meta.dirname, "../../../../libs/schedule/conformance/cases")
/** An oracle run that is not over by then has lost a job: no drawn set of jobs takes a quarter as long. */
const ORACLE_TICKS_MAX = 20_000

export type Parameters = Omit<OracleParameters, "drawsBefore" | "ticksMax">

export interface Draw {
  readonly count: number
  readonly maxRun: number
  readonly maxWorkingSet: number
}

export interface ReferenceCase {
  readonly id: string
  readonly why: string
  readonly parameters: Parameters
  /** Where the jobs were drawn from the seed. */
  readonly draw?: Draw
  readonly jobs: readonly OracleJob[]
  /** `rejected`: the input is refused; `no-victim`: a look into other queues finds none to look into. */
  readonly ends: "done" | "no-victim" | "rejected"
  readonly ticks: number
  readonly finish: Readonly<Record<string, number>>
  readonly migrations: number
  readonly cpus: readonly { readonly utilization: number; readonly warm: number }[]
  /** Per CPU `from-to:job`, `-` for none. */
  readonly schedule: readonly string[]
}

export function referenceCases(): readonly ReferenceCase[] {
  return readdirSync(CASES)
    .filter((file) => file.endsWith(".json"))
    .sort((a, b) => (a < b ? -1 : 1))
    .map((file) => JSON.parse(readFileSync(join(CASES, file), "utf8")) as ReferenceCase)
}

/** What a run came to, whoever ran it. */
export interface Figures {
  readonly ends: string
  readonly finish?: Readonly<Record<string, number | null>>
  readonly migrations?: number
  readonly cpus?: ReferenceCase["cpus"]
  readonly schedule?: readonly string[]
}

export interface OstepInput {
  readonly parameters: Parameters
  readonly jobs: readonly OracleJob[]
  readonly draw?: Draw
}

export function figuresOfCase({ ends, finish, migrations, cpus, schedule }: ReferenceCase): Figures {
  return ends === "done" ? { ends, finish, migrations, cpus, schedule } : { ends }
}

/** Outputs of the generator that one drawn job takes. */
const DRAWS_PER_JOB = 4

export function figuresOfOracle({ parameters, jobs, draw }: OstepInput): {
  readonly figures: Figures
  readonly unfinished: readonly string[]
} {
  const drawsBefore = draw === undefined ? 0 : DRAWS_PER_JOB * draw.count
  const result = runOracle(jobs, { ...parameters, drawsBefore, ticksMax: ORACLE_TICKS_MAX })
  const unfinished = jobs.filter((job) => !(job.name in result.finish)).map((job) => job.name)
  if (result.outcome !== "done") return { figures: { ends: result.outcome === "no-victim" ? "no-victim" : "lost-task" }, unfinished }
  const cpus = result.busy.map((busy, cpu) => ({
    utilization: percent(busy, result.ticks),
    warm: percent(result.warm[cpu] ?? 0, result.ticks),
  }))
  const schedule = result.schedule.map((ticks) => textOf(runLengths(ticks)))
  return { figures: { ends: "done", finish: result.finish, migrations: migrationsOf(result), cpus, schedule }, unfinished }
}

export function figuresOfMachine(input: OstepInput, nodes: number): { readonly figures: Figures; readonly lostJob: string | null } {
  const outcome = simulate(resolveMachineSpec(inputFor(input, nodes)), { fingerprint: "off" })
  if ("failure" in outcome)
    return { figures: { ends: outcome.failure.kind }, lostJob: outcome.failure.kind === "lost-task" ? outcome.failure.job : null }
  const { jobs, migrations, cpus, schedule } = outcome.result
  return { figures: { ends: "done", finish: jobs, migrations, cpus, schedule: schedule.map(textOf) }, lostJob: null }
}

/** The scenario that the machine runs for these parameters. */
export function inputFor({ parameters, jobs, draw }: OstepInput, nodes: number): MachineInput {
  const { cpus, perCpuQueues, sliceTicks, peekTicks, randomOrder, seed, cacheSize, warmupTicks, warmRate } = parameters
  return {
    name: "ostep",
    seed,
    topology: { cpus, nodes },
    cache: { size: cacheSize, warmupTicks, warmRate },
    schedule: {
      policy: perCpuQueues ? (peekTicks > 0 ? "mqms-steal" : "mqms") : "sqms",
      sliceTicks,
      peekTicks,
      randomOrder,
      compat: "ostep",
    },
    ...(draw === undefined ? { jobs: jobs.map((job) => ({ ...job, affinity: [...job.affinity] })) } : { draw }),
  }
}

/** A drawn set of parameters and jobs, wide enough to meet every quirk: a job may get lost, a look may find no victim. */
export function drawInput(random: Random): OstepInput & { readonly nodes: number } {
  const cpus = random.between(1, 6)
  const jobs = Array.from({ length: random.between(1, 9) }, (_, index): OracleJob => {
    const allowed = Array.from({ length: cpus }, (_, cpu) => cpu).filter(() => random.chance(0.5))
    return {
      name: `j${index}`,
      // Small numbers too: a run time that equals a CPU's number is what makes the membership quirk bite.
      run: random.chance(0.2) ? random.between(0, cpus) : random.between(0, 120),
      workingSet: random.chance(0.2) ? random.between(0, cpus) : random.between(0, 120),
      affinity: random.chance(0.3) ? allowed : [],
    }
  })
  const parameters: Parameters = {
    cpus,
    perCpuQueues: random.chance(0.6),
    sliceTicks: random.between(1, 25),
    peekTicks: random.chance(0.3) ? 0 : random.between(1, 40),
    cacheSize: random.between(0, 200),
    warmupTicks: random.between(0, 20),
    warmRate: random.between(1, 4),
    randomOrder: random.chance(0.3),
    seed: random.below(1_000_000),
  }
  return { parameters, jobs, nodes: random.between(1, cpus) }
}

/** As `drawInput`, but made to lose jobs: CPU numbers equal run times and working sets, so that thieves take what they may not run. */
export function drawLosingInput(random: Random): OstepInput & { readonly nodes: number } {
  const cpus = random.between(2, 5)
  const few = random.between(2, 8)
  const drawn = drawInput(random)
  const jobs = drawn.jobs.slice(0, few).map((job) => {
    const thief = random.below(cpus)
    const others = Array.from({ length: cpus }, (_, cpu) => cpu).filter((cpu) => cpu !== thief)
    return { ...job, workingSet: thief, affinity: random.chance(0.7) ? [random.pick(others)] : [] }
  })
  const parameters = { ...drawn.parameters, cpus, perCpuQueues: true, peekTicks: random.between(1, 15) }
  return { parameters, jobs, nodes: random.between(1, cpus) }
}

type RunLength = readonly [from: number, to: number, job: string | null]

function textOf(runs: readonly RunLength[]): string {
  return runs.map(([from, to, job]) => `${from}-${to}:${job ?? "-"}`).join(" ")
}

function runLengths(ticks: readonly (string | null)[]): RunLength[] {
  const runs: [number, number, string | null][] = []
  for (const [tick, job] of ticks.entries()) {
    const last = runs.at(-1)
    if (last !== undefined && last[2] === job) last[1] = tick + 1
    else runs.push([tick, tick + 1, job])
  }
  return runs
}

/** How often a job is seen on another CPU than the time before. */
function migrationsOf({ schedule, ticks }: OracleResult): number {
  const last = new Map<string, number>()
  let migrations = 0
  for (let tick = 0; tick < ticks; tick++) {
    for (const [cpu, jobs] of schedule.entries()) {
      const job = jobs[tick] ?? null
      if (job === null) continue
      const before = last.get(job)
      if (before !== undefined && before !== cpu) migrations++
      last.set(job, cpu)
    }
  }
  return migrations
}
