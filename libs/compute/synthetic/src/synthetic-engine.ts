/** Runs synthetic jobs as tasks of a node: the first implementation of compute/contract's task engine. Arithmetic: job-run.ts. */
import {
  cacheKeyOf,
  type EngineTask,
  type SliceOutcome,
  type TaskEngine,
  type TaskProgress,
  type TaskSlice,
} from "@backplane/compute-contract/task-engine"
import type { TaskSpec } from "@backplane/compute-contract/task-messages"
import { pauseAfter, phaseAt, signalLevel } from "./job-phases.ts"
import { runJob, UNIT_PARTS } from "./job-run.ts"

export class SyntheticEngine implements TaskEngine {
  readonly #warmRate: number

  /** `warmRate`: work a tick does with a warm cache. */
  constructor({ warmRate }: { readonly warmRate: number }) {
    this.#warmRate = warmRate
  }

  refusal({ task, guest }: TaskSpec): string | null {
    return guest === undefined ? null : `${task} is a guest, no job`
  }

  open(spec: TaskSpec, progress: TaskProgress | null): EngineTask {
    return new SyntheticTask(spec, progress ?? { left: spec.run }, this.#warmRate)
  }
}

class SyntheticTask implements EngineTask {
  readonly #task: TaskSpec
  readonly #warmRate: number
  /** Work left, units. Only falls. */
  #left: number
  /** Of the unit in progress, what is done. */
  #part: number

  constructor(task: TaskSpec, { left, part = 0 }: TaskProgress, warmRate: number) {
    this.#task = task
    this.#left = left
    this.#part = part
    this.#warmRate = warmRate
  }

  plan({ cache, ...slice }: TaskSlice): number {
    return this.#run({ cache: cache.clone(), ...slice }).ticks
  }

  run(slice: TaskSlice): SliceOutcome {
    const { part, ...outcome } = this.#run(slice)
    this.#left = outcome.left
    this.#part = part
    return outcome
  }

  progress(): TaskProgress {
    return this.#part === 0 ? { left: this.#left } : { left: this.#left, part: this.#part }
  }

  /** A job has nothing to say but that it is done. */
  outcome(): null {
    return null
  }

  close(): void {
    // Nothing is held.
  }

  #run({ cache, fromTick, budgetTicks, speed = UNIT_PARTS }: TaskSlice): SliceOutcome & { readonly part: number } {
    const { workingSet, phases, run } = this.#task
    const job = { name: cacheKeyOf(this.#task), workingSet }
    const options = { budgetTicks, warmRate: this.#warmRate, part: this.#part, speed }
    if (phases === undefined) return runJob(cache, job, { left: this.#left, ...options })
    // One phase at most: what comes after it happens at a tick of its own. Units of a tick that are left over are not carried on.
    const { phase, left } = phaseAt(phases, run - this.#left)
    const goal = Math.min(left, this.#left)
    const ran = runJob(cache, job, { left: goal, ...options })
    const total = { ...ran, left: this.#left - (goal - ran.left), finished: ran.finished && goal === this.#left }
    if (!ran.finished || goal < left) return total
    const done = run - total.left
    const signals = phase.signal === undefined ? undefined : { signals: [signalLevel(phases, done, phase.signal)] }
    if (total.finished) return { ...total, ...signals }
    return { ...total, ...signals, pause: pauseAfter(phases, phase, { done, endTick: fromTick + ran.ticks }) }
  }
}
