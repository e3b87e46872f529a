/** What the drive of the suite runs: tasks that arrive, run, sleep, give way, and are interfered with. All times in ticks. */
import type { Random } from "@backplane/foundation-base/random"
import type { CpuPlace } from "../queue-settings.ts"

/** A piece of work, and what the task does after it: sleeps, or gives way (then `sleepTicks` is 0). The last one ends the task. */
export interface Burst {
  readonly runTicks: number
  readonly sleepTicks: number
}

export interface TaskPlan {
  readonly name: string
  readonly weight: number
  readonly arrivalTick: number
  readonly affinity: readonly number[]
  readonly bursts: readonly Burst[]
  readonly gang?: { readonly name: string; readonly size: number }
}

export interface Workload {
  readonly cpus: number
  readonly places: readonly CpuPlace[]
  readonly sliceTicks: number
  readonly tasks: readonly TaskPlan[]
  /** Ticks at which each of these CPUs, which has a queue of its own elsewhere, steals a task; it comes back later. */
  readonly thefts: readonly { readonly tick: number; readonly cpu: number; readonly backAfterTicks: number }[]
  /** Of so many picks one is refused; 0: none. */
  readonly refuseEvery: number
}

export interface WorkloadShape {
  readonly tasks: number
  readonly cpus: number
  readonly affinities?: boolean
  readonly gangs?: boolean
}

const WEIGHTS = [1, 10, 50, 100, 100, 100, 100, 200, 400, 1000, 10_000]

export function drawWorkload(random: Random, { tasks, cpus, affinities = true, gangs = false }: WorkloadShape): Workload {
  const nodes = random.between(1, 2)
  return {
    cpus,
    places: Array.from({ length: cpus }, (_, cpu) => ({
      cpu,
      node: cpu % nodes,
      core: cpu >> 1,
      capacity: random.pick([1024, 1024, 512]),
    })),
    sliceTicks: random.between(1, 8),
    tasks: drawGangs(
      random,
      Array.from({ length: tasks }, (_, index) => drawTask(random, { name: `t${index}`, cpus, affinities })),
      gangs ? cpus : 0,
    ),
    thefts: Array.from({ length: random.below(4) }, () => ({
      tick: random.below(100),
      cpu: random.below(cpus),
      backAfterTicks: random.between(1, 40),
    })),
    refuseEvery: random.pick([0, 0, 3, 7]),
  }
}

function drawTask(
  random: Random,
  { name, cpus, affinities }: { readonly name: string; readonly cpus: number; readonly affinities: boolean },
): TaskPlan {
  const isPinned = affinities && random.chance(0.3)
  const sleeper = random.chance(0.5)
  const allowed = Array.from({ length: cpus }, (_, cpu) => cpu).filter(() => random.chance(0.5))
  return {
    name,
    weight: random.pick(WEIGHTS),
    arrivalTick: random.chance(0.5) ? 0 : random.below(60),
    affinity: isPinned ? (allowed.length === 0 ? [random.below(cpus)] : allowed) : [],
    bursts: Array.from({ length: sleeper ? random.between(1, 6) : 1 }, () => ({
      runTicks: sleeper ? random.between(1, 12) : random.between(1, 60),
      sleepTicks: random.chance(0.25) ? 0 : random.between(1, 25),
    })),
  }
}

/** Bands some of the tasks together, in gangs that fit the CPUs. Members may run anywhere, or a gang might never fit. */
function drawGangs(random: Random, tasks: readonly TaskPlan[], cpus: number): readonly TaskPlan[] {
  if (cpus === 0) return tasks
  const out: TaskPlan[] = []
  for (let index = 0; index < tasks.length;) {
    const size = Math.min(random.between(1, cpus), tasks.length - index)
    const gang = { name: `g${index}`, size }
    for (const task of tasks.slice(index, index + size)) out.push(size === 1 ? task : { ...task, affinity: [], gang })
    index += size
  }
  return out
}

/** Tasks that only run: for laws about shares. */
export function hogs(weights: readonly number[], runTicks: number): readonly TaskPlan[] {
  return weights.map((weight, index) => ({
    name: `t${index}`,
    weight,
    arrivalTick: 0,
    affinity: [],
    bursts: [{ runTicks, sleepTicks: 0 }],
  }))
}

export function plainWorkload(
  tasks: readonly TaskPlan[],
  { cpus = 1, sliceTicks = 10 }: { readonly cpus?: number; readonly sliceTicks?: number } = {},
): Workload {
  const places = Array.from({ length: cpus }, (_, cpu) => ({ cpu, node: 0, core: cpu, capacity: 1024 }))
  return { cpus, places, sliceTicks, tasks, thefts: [], refuseEvery: 0 }
}
