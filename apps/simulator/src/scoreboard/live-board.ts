/**
 * The scoreboard of live machines: in free mode over NATS, where the wall's time counts and no two runs are alike; so it stands apart from
 * the simulated one, and each row has the simulated run of the same sets beneath it.
 *
 * This process only says which machines (`sched-live-specs`) and adds up what they came to (`sched-live-table`); the command in between
 * runs them. Only what a machine's own result tells is shown; there is no fallback row, because silent schedulers need a stack of their own.
 */
import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { distributionOf, mean, median, spread } from "@backplane/schedule-measure/percentiles"
import type { RunResult } from "@backplane/trap-hypervisor/run-result"
import { actorsWith } from "../machine-actors.ts"
import { simulate } from "../simulate.ts"
import { FlagError, wholeFlag } from "../whole-flag.ts"
import { contenderOf, contenderOfService } from "./contender.ts"
import { imageFiles, drawnImages, specFor, type Board, type Figure, type Score } from "./scoreboard.ts"
import { tableOf } from "./scoreboard-table.ts"
import { workloadOf } from "./workload-of.ts"

const POLICIES_DEFAULT = "rr,mqms,mqms-warm,cfs,eevdf"
const WORKLOADS_DEFAULT = "imbalance,weights,wake-up,hackbench"
const SETS_DEFAULT = 3
const COLUMNS = ["makespan", "response-p50", "response-p99", "busy", "migrations"] as const

export interface LiveRun {
  readonly workload: string
  readonly contender: string
  readonly set: number
  readonly spec: MachineSpec
  /** A service schedules it: nobody can simulate that. */
  readonly isService?: true
}

/** Prints the machines to run, and the files that their VMs boot. */
export function liveSpecsCommand(args: readonly string[]): number {
  const text = { type: "string" } as const
  const { values } = parseArgs({ args: [...args], options: { policies: text, workloads: text, seeds: text, from: text, services: text } })
  const services = new Map((values.services ?? "").split(",").map((one) => one.split("=") as [string, string]))
  const contenders = [...new Set((values.policies ?? POLICIES_DEFAULT).split(","))].map((name) => {
    const layout = services.get(name)
    return layout === undefined ? contenderOf(name) : contenderOfService(name, layout === "cpu" ? "cpu" : "all")
  })
  const silent = contenders.find(({ isSilent, isOstep }) => isSilent || isOstep)
  if (silent !== undefined) throw new FlagError(`--policies: ${silent.label} is not for live machines; name a policy`)
  const workloads = (values.workloads ?? WORKLOADS_DEFAULT).split(",").map(workloadOf)
  const [first, sets] = [wholeFlag("--from", values.from ?? "0", 0), wholeFlag("--seeds", values.seeds ?? String(SETS_DEFAULT), 1)]
  const runs = workloads.flatMap((workload) =>
    contenders.flatMap((contender) =>
      Array.from({ length: sets }, (_, index): LiveRun => {
        const set = first + index
        const spec = specFor(workload, contender, set, { mode: "free" })
        const isService = services.has(contender.label)
        return { workload: workload.name, contender: contender.label, set, spec, ...(isService && { isService }) }
      }),
    ),
  )
  process.stdout.write(JSON.stringify({ runs, images: imageFiles() }))
  return 0
}

/** A machine and what it came to; `failure`: why it came to nothing. */
export interface LiveOutcome extends LiveRun {
  readonly result?: RunResult
  readonly failure?: string
}

/** Reads outcomes on standard input. */
export function liveTableCommand(args: readonly string[]): number {
  const { values } = parseArgs({ args: [...args], options: { json: { type: "boolean", default: false } } })
  const { outcomes } = JSON.parse(readFileSync(0, "utf8")) as { readonly outcomes: readonly LiveOutcome[] }
  const boards = [...new Set(outcomes.map(({ workload }) => workload))].map((name) =>
    liveBoard(outcomes.filter(({ workload }) => workload === name)),
  )
  if (values.json)
    console.log(JSON.stringify({ live: boards.map(({ workload, sets, scores }) => ({ workload: workload.name, sets, scores })) }))
  else for (const board of boards) console.log(`${tableOf(board, COLUMNS)}\n`)
  return boards.every(({ scores }) => scores.every(({ failures }) => failures.sets === 0)) ? 0 : 1
}

export function liveBoard(outcomes: readonly LiveOutcome[]): Board {
  const contenders = [...new Set(outcomes.map(({ contender }) => contender))]
  const scores = contenders.flatMap((contender): Score[] => {
    const own = outcomes.filter((one) => one.contender === contender)
    const live = scoreOf(contender, own)
    return own.some(({ isService }) => isService === true)
      ? [live]
      : [live, { ...scoreOf(`${contender}, simulated`, own.map(simulated)), isReference: true }]
  })
  return { workload: workloadOf(outcomes[0]?.workload ?? ""), sets: outcomes.length / Math.max(1, contenders.length), scores }
}

function simulated({ workload, contender, set }: LiveOutcome): LiveOutcome {
  const spec = specFor(workloadOf(workload), contenderOf(contender), set)
  const outcome = simulate(spec, { fingerprint: "off" }, actorsWith(drawnImages))
  const run = { workload, contender, set, spec }
  return "result" in outcome ? { ...run, result: outcome.result } : { ...run, failure: outcome.failure.message }
}

function scoreOf(contender: string, outcomes: readonly LiveOutcome[]): Score {
  const ended = outcomes.flatMap(({ result, spec }) => (result === undefined ? [] : [figuresOf(result, spec)]))
  const failed = outcomes.flatMap(({ failure, set }) => (failure === undefined ? [] : [`set ${set}: ${failure}`]))
  const figure = (name: string): Figure | null => {
    const values = ended.flatMap((figures) => figures[name] ?? [])
    return values.length === 0 ? null : { median: median(values), spread: spread(values) }
  }
  return {
    contender,
    figures: Object.fromEntries(COLUMNS.map((name) => [name, figure(name)])),
    refusals: {},
    failures: { sets: failed.length, first: failed[0] ?? null },
    runs: [],
  }
}

/** By column. Response: from a job's arrival to its end. */
function figuresOf({ finish, jobs, cpus, migrations }: RunResult, spec: MachineSpec): Readonly<Record<string, number>> {
  const response = distributionOf(spec.jobs.flatMap(({ name, arrival }) => (jobs[name] ?? null) === null ? [] : [(jobs[name] ?? 0) - arrival])) // prettier-ignore
  return {
    makespan: finish,
    "response-p50": response.p50,
    "response-p99": response.p99,
    busy: mean(cpus.map(({ utilization }) => utilization)),
    migrations,
  }
}
