/**
 * The cache of one CPU by whole working sets: the model of OSTEP chapter 10's multiprocessor homework.
 *
 * A *hot* list (newest first) holds the working sets that fit; a *warming* table holds, for each job that has run here, the ticks it
 * still needs before its set is in the cache. Counters are kept while others run. After an insertion the oldest entries fall out
 * (oldest warmed, not least recently used) until the rest fits, and must warm again from the start; a set larger than the cache
 * pushes itself out at once. Nothing is forgotten when a job ends: its set stays until pushed out.
 */
import type { TaskCache } from "@backplane/compute-contract/task-engine"

export interface CacheShape {
  readonly size: number
  readonly warmupTicks: number
}

interface HotEntry {
  readonly job: string
  readonly workingSet: number
}

export class CpuCache implements TaskCache {
  readonly #shape: CacheShape
  /** Newest first. Invariant: after every change the working sets sum to at most `size`. */
  readonly #hot: HotEntry[] = []
  /** Ticks each job still needs here. Never holds a job that is hot. */
  readonly #warming = new Map<string, number>()

  constructor(shape: CacheShape) {
    this.#shape = shape
  }

  isHot(job: string): boolean {
    return this.#hot.some((entry) => entry.job === job)
  }

  /** The job is put on the CPU. */
  enter(job: string, workingSet: number): void {
    if (this.#warming.has(job) || this.isHot(job)) return
    if (this.#shape.warmupTicks === 0) this.#insert(job, workingSet)
    else this.#warming.set(job, this.#shape.warmupTicks)
  }

  /** The job has run one tick here. */
  ranTick(job: string, workingSet: number): void {
    const left = this.#warming.get(job)
    if (left === undefined) return
    if (left > 1) {
      this.#warming.set(job, left - 1)
      return
    }
    this.#warming.delete(job)
    this.#insert(job, workingSet)
  }

  /** Ticks that the job has to run here before its set is in; 0: it is, or nothing is known of the job. */
  ticksToWarm(job: string): number {
    return this.#warming.get(job) ?? 0
  }

  /** No set is in. */
  get isEmpty(): boolean {
    return this.#hot.length === 0
  }

  /** The jobs whose sets are in the cache, newest first. */
  hotJobs(): readonly string[] {
    return this.#hot.map((entry) => entry.job)
  }

  clone(): CpuCache {
    const copy = new CpuCache(this.#shape)
    copy.#hot.push(...this.#hot)
    for (const [job, left] of this.#warming) copy.#warming.set(job, left)
    return copy
  }

  #insert(job: string, workingSet: number): void {
    this.#hot.unshift({ job, workingSet })
    let used = this.#hot.reduce((sum, entry) => sum + entry.workingSet, 0)
    while (used > this.#shape.size) {
      const dropped = this.#hot.pop()
      if (dropped === undefined) return
      used -= dropped.workingSet
      this.#warming.set(dropped.job, this.#shape.warmupTicks)
    }
  }
}
