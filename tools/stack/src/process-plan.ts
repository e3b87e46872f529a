/**
 * From the table of services and the options to the processes to start, level by level. Pure.
 *
 * A process runs one service, or several when co-located; a service that is replaced has a process of its own.
 */
import { UsageError, type UpOptions } from "./options.ts"
import { BUS, type Readiness, type ServiceDeclaration } from "./service-manifest.ts"

/** One service inside a process. */
export interface HostedService {
  readonly service: string
  readonly instance: string
  /** What a co-located process imports to start it. */
  readonly startModule: string | null
}

export interface ProcessPlan {
  /** Unique; names the log file. For a process with one service, that service's instance. */
  readonly name: string
  readonly hosted: readonly HostedService[]
  readonly command: readonly string[]
  /** Run by a shell (`--replace`). */
  readonly shell: boolean
  readonly readiness: Readiness
  readonly stopsLast: boolean
  /** Starts when all processes of lower levels are ready. The bus is level 0. */
  readonly level: number
}

/** Processes of one service. */
const PROCESSES_MAX = 64

type Choice = Pick<UpOptions, "colocate" | "replacements" | "counts">

export function planProcesses(services: readonly ServiceDeclaration[], choice: Choice): readonly ProcessPlan[] {
  checkNames(services, choice)
  const replaced = new Map(choice.replacements.map(({ service, command }) => [service, command]))
  const counted = services.map((each) => ({ ...each, count: choice.counts.get(each.name) ?? each.count }))
  const together = choice.colocate ? counted.filter((each) => each.startModule !== null && !each.stopsLast && !replaced.has(each.name)) : []
  const alone = counted.filter((each) => !together.includes(each))
  const levels = levelsOf(services)
  const plans = alone.flatMap((each) => processesOf(each, levels.get(each.name) ?? 1, replaced.get(each.name)))
  return together.length === 0 ? plans : [colocated(together), ...plans.map((plan) => raised(plan, alone, together))]
}

/** One more process of a service that may grow while the stack runs, by its name (`kv-shard-3`); null where there is no such service. */
export function planAnother(services: readonly ServiceDeclaration[], name: string): ProcessPlan | null {
  const [, service, index] = /^(.+)-(\d+)$/.exec(name) ?? []
  const declared = services.find((each) => each.grows && each.name === service)
  if (declared === undefined || Number(index) >= PROCESSES_MAX) return null
  return processesOf({ ...declared, count: Number(index) + 1 }, 1, undefined).at(-1) ?? null
}

function processesOf(service: ServiceDeclaration, level: number, replacement: string | undefined): readonly ProcessPlan[] {
  return instancesOf(service).map((hosted) => ({
    name: hosted.instance,
    hosted: [hosted],
    command: replacement === undefined ? service.command : [replacement],
    shell: replacement !== undefined,
    readiness: service.readiness,
    stopsLast: service.stopsLast,
    level,
  }))
}

/** `numa-node-0`, `numa-node-1`, …: always numbered, so that a second one does not rename the first. */
function instancesOf({ name, count, startModule }: ServiceDeclaration): readonly HostedService[] {
  return Array.from({ length: count }, (_, index) => ({ service: name, instance: `${name}-${index}`, startModule }))
}

function colocated(services: readonly ServiceDeclaration[]): ProcessPlan {
  const command = ["node", "tools/stack/src/colocated.ts"]
  return {
    name: "colocated-0",
    hosted: services.flatMap(instancesOf),
    command,
    shell: false,
    readiness: { kind: "bus" },
    stopsLast: false,
    level: 1,
  }
}

/** A process that waits for a co-located service waits for that one process. */
function raised(plan: ProcessPlan, alone: readonly ServiceDeclaration[], together: readonly ServiceDeclaration[]): ProcessPlan {
  const service = alone.find((each) => each.name === plan.hosted[0]?.service)
  const waits = service?.dependsOn.some((name) => together.some((each) => each.name === name)) ?? false
  return waits ? { ...plan, level: Math.max(plan.level, 2) } : plan
}

/** Length of the longest chain of dependencies, from 1. Throws on an unknown name or a circle. */
export function levelsOf(services: readonly ServiceDeclaration[]): ReadonlyMap<string, number> {
  const byName = new Map(services.map((each) => [each.name, each]))
  const levels = new Map<string, number>()
  const visit = (name: string, path: readonly string[]): number => {
    const known = levels.get(name)
    if (known !== undefined) return known
    if (path.includes(name)) throw new UsageError(`services wait for each other: ${[...path, name].join(" → ")}; remove one dependsOn`)
    const service = byName.get(name)
    if (service === undefined) throw new UsageError(`${path.at(-1)} depends on "${name}", which is not in the table of services`)
    const below = service.dependsOn.filter((each) => each !== BUS).map((each) => visit(each, [...path, name]))
    const level = 1 + Math.max(0, ...below)
    levels.set(name, level)
    return level
  }
  for (const { name } of services) visit(name, [])
  return levels
}

function checkNames(services: readonly ServiceDeclaration[], choice: Choice): void {
  const names = services.map((each) => each.name)
  const check = (flag: string, name: string): void => {
    if (!names.includes(name)) throw new UsageError(`${flag} "${name}" is not a service: there are ${names.join(", ")}`)
  }
  for (const { service } of choice.replacements) check("--replace", service)
  for (const name of choice.counts.keys()) check("--count", name)
  const twice = choice.replacements.find(
    ({ service }, index) => choice.replacements.findIndex((each) => each.service === service) !== index,
  )
  if (twice !== undefined) throw new UsageError(`--replace ${twice.service} is given twice: give it once`)
}
