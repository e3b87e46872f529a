/** Reads the flags of `backplane jobs`: the names and forms of the OSTEP homework, as a scenario. */
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { Rejection } from "@backplane/scenario-machine/rejection"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"

export interface JobFlags {
  readonly cpus: string
  readonly nodes: string
  readonly list?: string
  readonly perCpuQueues?: true
  readonly policy?: string
  readonly peek: string
  readonly slice: string
  readonly cache: string
  readonly warmup: string
  readonly warmRate: string
  readonly affinity?: string
  readonly randomOrder?: true
  readonly seed: string
  readonly jobCount: string
  readonly maxRun: string
  readonly maxWset: string
  readonly compat?: string
  readonly maxTicks?: string
  readonly restartable?: true
}

/** Fields of the scenario, by the flag that gives them. */
const FLAGS: Readonly<Record<string, string>> = {
  seed: "--seed",
  "topology.cpus": "--cpus",
  "topology.nodes": "--nodes",
  "cache.size": "--cache",
  "cache.warmupTicks": "--warmup",
  "cache.warmRate": "--warm-rate",
  "schedule.policy": "--policy",
  "schedule.sliceTicks": "--slice",
  "schedule.peekTicks": "--peek",
  "schedule.compat": "--compat",
  "draw.count": "--job-count",
  "draw.maxRun": "--max-run",
  "draw.maxWorkingSet": "--max-wset",
  maxTicks: "--max-ticks",
}

/** The machine that the flags describe. What is wrong with it is told of the flag: who types flags knows no scenario. */
export function specOf(flags: JobFlags): MachineSpec {
  try {
    return resolveMachineSpec(scenarioOf(flags))
  } catch (error) {
    if (!(error instanceof Rejection)) throw error
    const flag = FLAGS[error.field] ?? (/^jobs\b/.test(error.field) ? "--list" : undefined)
    throw flag === undefined ? error : new Rejection(flag, error.reason)
  }
}

/** The scenario that the flags describe; `resolveMachineSpec` checks it. */
function scenarioOf(flags: JobFlags): Record<string, unknown> {
  const peekTicks = whole("--peek", flags.peek)
  const affinity = parseAffinity(flags.affinity ?? "")
  const jobs = flags.list === undefined || flags.list === "" ? undefined : parseList(flags.list)
  const names = jobs?.map((job) => job.name) ?? Array.from({ length: whole("--job-count", flags.jobCount) }, (_, index) => String(index))
  for (const name of affinity.keys())
    if (!names.includes(name)) throw new Rejection("--affinity", `there is no job ${name}; there are ${names.slice(0, 20).join(", ")}`)
  const multi = peekTicks > 0 ? (flags.compat === "ostep" ? "mqms-steal" : "mqms-warm") : "mqms"
  return {
    name: "jobs",
    seed: whole("--seed", flags.seed),
    topology: { cpus: whole("--cpus", flags.cpus), nodes: whole("--nodes", flags.nodes) },
    cache: {
      size: whole("--cache", flags.cache),
      warmupTicks: whole("--warmup", flags.warmup),
      warmRate: whole("--warm-rate", flags.warmRate),
    },
    schedule: {
      policy: flags.policy ?? (flags.perCpuQueues === true ? multi : "sqms"),
      sliceTicks: whole("--slice", flags.slice),
      peekTicks,
      randomOrder: flags.randomOrder === true,
      compat: flags.compat ?? "none",
    },
    ...(jobs === undefined
      ? {
          draw: {
            count: names.length,
            maxRun: whole("--max-run", flags.maxRun),
            maxWorkingSet: whole("--max-wset", flags.maxWset),
            affinity: Object.fromEntries(affinity),
            restartable: flags.restartable === true,
          },
        }
      : { jobs: jobs.map((job) => ({ ...job, affinity: affinity.get(job.name) ?? [], restartable: flags.restartable === true })) }),

    ...(flags.maxTicks === undefined ? {} : { maxTicks: whole("--max-ticks", flags.maxTicks) }),
  }
}

function whole(flag: string, text: string): number {
  const value = Number(text)
  if (text.trim() === "" || !Number.isSafeInteger(value) || value < 0)
    throw new Rejection(flag, `${text} is not a whole number; give one of at least 0`)
  return value
}

/** `a:100:50,b:…` → name, run time, working set. */
function parseList(text: string): { readonly name: string; readonly run: number; readonly workingSet: number }[] {
  return text.split(",").map((item) => {
    const [name, run, workingSet, ...more] = item.split(":")
    if (name === undefined || name === "" || run === undefined || workingSet === undefined || more.length > 0)
      throw new Rejection("--list", `"${item}" is not a job; write name:runtime:workingset, as a:100:50`)
    return { name, run: whole("--list", run), workingSet: whole("--list", workingSet) }
  })
}

/** `a:0.1,b:1` → job → CPUs. */
function parseAffinity(text: string): ReadonlyMap<string, readonly number[]> {
  const affinity = new Map<string, readonly number[]>()
  for (const item of text === "" ? [] : text.split(",")) {
    const [name, cpus, ...more] = item.split(":")
    if (name === undefined || cpus === undefined || cpus === "" || more.length > 0)
      throw new Rejection("--affinity", `"${item}" is not an affinity; write job:cpu.cpu, as a:0.1`)
    affinity.set(
      name,
      cpus.split(".").map((cpu) => whole("--affinity", cpu)),
    )
  }
  return affinity
}
