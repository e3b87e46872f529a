/**
 * The OSTEP chapter 10 multiprocessor as one flat loop: the deliberately simple oracle that the distributed machine
 * (nodes, schedulers and hypervisor exchanging messages) must agree with, schedule tick by tick.
 *
 * Not used by any service. Written from the description of the model: jobs with working sets, one cache a CPU, a global
 * slice, one queue or one a CPU, stealing by peeking. Quirks included (see `stealable`).
 */
import { MersenneTwister } from "@backplane/foundation-base/mersenne-twister"

export interface OracleJob {
  readonly name: string
  readonly run: number
  readonly workingSet: number
  /** CPUs that may run it; empty: any. */
  readonly affinity: readonly number[]
}

export interface OracleParameters {
  readonly cpus: number
  readonly perCpuQueues: boolean
  readonly sliceTicks: number
  /** 0: never. */
  readonly peekTicks: number
  readonly cacheSize: number
  readonly warmupTicks: number
  readonly warmRate: number
  readonly randomOrder: boolean
  readonly seed: number
  /** Outputs of the generator already spent on drawing the jobs. */
  readonly drawsBefore: number
  readonly ticksMax: number
}

export interface OracleResult {
  /** Per CPU, per tick: the job's name or null. */
  readonly schedule: readonly (readonly (string | null)[])[]
  readonly finish: Readonly<Record<string, number>>
  readonly busy: readonly number[]
  readonly warm: readonly number[]
  readonly outcome: "done" | "ticks-max" | "no-victim"
  readonly ticks: number
}

/** The cache of one CPU, as the text describes it. */
class OracleCache {
  /** Newest first. */
  readonly hot: string[] = []
  readonly #warming = new Map<string, number>()
  readonly #size: number
  readonly #warmup: number
  readonly #workingSet: ReadonlyMap<string, number>

  constructor(size: number, warmup: number, workingSet: ReadonlyMap<string, number>) {
    this.#size = size
    this.#warmup = warmup
    this.#workingSet = workingSet
  }

  put(job: string): void {
    if (this.hot.includes(job) || this.#warming.has(job)) return
    if (this.#warmup === 0) this.#insert(job)
    else this.#warming.set(job, this.#warmup)
  }

  afterTick(job: string): void {
    const left = this.#warming.get(job)
    if (left === undefined) return
    if (left - 1 > 0) {
      this.#warming.set(job, left - 1)
      return
    }
    this.#warming.delete(job)
    this.#insert(job)
  }

  #insert(job: string): void {
    this.hot.unshift(job)
    const used = (): number => this.hot.reduce((sum, name) => sum + (this.#workingSet.get(name) ?? 0), 0)
    while (used() > this.#size) {
      const dropped = this.hot.pop() as string
      this.#warming.set(dropped, this.#warmup)
    }
  }
}

/** Whether a thief on `cpu` takes this job: the membership quirk compares the CPU with run time and working set. */
function stealable(job: OracleJob, cpu: number): boolean {
  return job.affinity.length === 0 || job.run === cpu || job.workingSet === cpu
}

export function runOracle(jobs: readonly OracleJob[], parameters: OracleParameters): OracleResult {
  const { cpus, perCpuQueues, sliceTicks, peekTicks, warmRate } = parameters
  const byName = new Map(jobs.map((job) => [job.name, job]))
  const sizes = new Map(jobs.map((job) => [job.name, job.workingSet]))
  const mt = new MersenneTwister(parameters.seed)
  mt.advanceTo(parameters.drawsBefore)
  const caches = Array.from({ length: cpus }, () => new OracleCache(parameters.cacheSize, parameters.warmupTicks, sizes))
  const queues: string[][] = perCpuQueues ? dealJobs(jobs, cpus) : [jobs.map((job) => job.name)]
  const queueOf = (cpu: number): string[] => queues[perCpuQueues ? cpu : 0] as string[]
  const may = (name: string, cpu: number): boolean => {
    const { affinity } = byName.get(name) as OracleJob
    return affinity.length === 0 || affinity.includes(cpu)
  }
  const running: (string | null)[] = new Array<string | null>(cpus).fill(null)
  const left = new Map(jobs.map((job) => [job.name, job.run]))
  const schedule: (string | null)[][] = Array.from({ length: cpus }, () => [])
  const finish: Record<string, number> = {}
  const busy = new Array<number>(cpus).fill(0)
  const warm = new Array<number>(cpus).fill(0)
  let tick = 0
  const end = (outcome: OracleResult["outcome"]): OracleResult => ({ schedule, finish, busy, warm, outcome, ticks: tick })
  for (; Object.keys(finish).length < jobs.length; tick++) {
    if (tick >= parameters.ticksMax) return end("ticks-max")
    if (tick > 0 && tick % sliceTicks === 0) {
      for (let cpu = 0; cpu < cpus; cpu++) {
        const job = running[cpu]
        if (job !== null && job !== undefined) queueOf(cpu).push(job)
        running[cpu] = null
      }
    }
    if (perCpuQueues && peekTicks > 0 && tick > 0 && tick % peekTicks === 0) {
      for (let cpu = 0; cpu < cpus; cpu++) {
        if (queueOf(cpu).length > 0) continue
        const others = [...running.keys()].filter((other) => other !== cpu)
        if (others.length === 0) return end("no-victim")
        const victim = queueOf(others[mt.below(others.length)] as number)
        const index = victim.findIndex((name) => stealable(byName.get(name) as OracleJob, cpu))
        if (index >= 0) queueOf(cpu).push(...victim.splice(index, 1))
      }
    }
    const order = [...running.keys()]
    if (parameters.randomOrder) mt.shuffle(order)
    for (const cpu of order) {
      if (running[cpu] !== null) continue
      const index = queueOf(cpu).findIndex((name) => may(name, cpu))
      if (index < 0) continue
      const [job] = queueOf(cpu).splice(index, 1)
      running[cpu] = job as string
      ;(caches[cpu] as OracleCache).put(job as string)
    }
    for (let cpu = 0; cpu < cpus; cpu++) {
      const job = running[cpu] ?? null
      ;(schedule[cpu] as (string | null)[]).push(job)
      if (job === null) continue
      const cache = caches[cpu] as OracleCache
      const rate = cache.hot.includes(job) ? warmRate : 1
      busy[cpu] = (busy[cpu] as number) + 1
      if (rate > 1) warm[cpu] = (warm[cpu] as number) + 1
      left.set(job, Math.max(0, (left.get(job) as number) - rate))
      cache.afterTick(job)
      if (left.get(job) === 0) {
        finish[job] = tick + 1
        running[cpu] = null
      }
    }
  }
  return end("done")
}

/** Deals the jobs: round after round, each CPU takes the first undealt job that may run there. */
export function dealJobs(jobs: readonly OracleJob[], cpus: number): string[][] {
  const queues: string[][] = Array.from({ length: cpus }, () => [])
  const undealt = [...jobs]
  while (undealt.length > 0) {
    const before = undealt.length
    for (let cpu = 0; cpu < cpus; cpu++) {
      const index = undealt.findIndex((job) => job.affinity.length === 0 || job.affinity.includes(cpu))
      if (index >= 0) (queues[cpu] as string[]).push((undealt.splice(index, 1)[0] as OracleJob).name)
    }
    if (undealt.length === before) break
  }
  return queues
}
