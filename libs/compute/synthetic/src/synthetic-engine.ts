/** Runs synthetic jobs as tasks of a node: the first implementation of compute/contract's task engine. Arithmetic: job-run.ts. */
import type { EngineTask, SliceOutcome, TaskEngine, TaskProgress, TaskSlice } from "@backplane/compute-contract/task-engine"
import type { TaskSpec } from "@backplane/compute-contract/task-messages"
import { runJob } from "./job-run.ts"

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
    return new SyntheticTask(spec, progress?.left ?? spec.run, this.#warmRate)
  }
}

class SyntheticTask implements EngineTask {
  readonly #task: TaskSpec
  readonly #warmRate: number
  /** Work left, units. Only falls. */
  #left: number

  constructor(task: TaskSpec, left: number, warmRate: number) {
    this.#task = task
    this.#left = left
    this.#warmRate = warmRate
  }

  plan({ cache, budgetTicks }: TaskSlice): number {
    return this.#run({ cache: cache.clone(), budgetTicks }).ticks
  }

  run(slice: TaskSlice): SliceOutcome {
    const outcome = this.#run(slice)
    this.#left = outcome.left
    return outcome
  }

  progress(): TaskProgress {
    return { left: this.#left }
  }

  /** A job has nothing to say but that it is done. */
  outcome(): null {
    return null
  }

  close(): void {
    // Nothing is held.
  }

  #run({ cache, budgetTicks }: TaskSlice): SliceOutcome {
    const { task: name, workingSet } = this.#task
    return runJob(cache, { name, workingSet }, { left: this.#left, budgetTicks, warmRate: this.#warmRate })
  }
}
