/** A policy without a memory (`Policy`: which of the waiting, oldest first) as an instance that holds its queue. */
import type { TaskView } from "@backplane/schedule-contract/task-view"
import type { Policy } from "../policy.ts"
import type { EnqueueReason, QueuePolicy } from "../queue-policy.ts"
import type { QueueSettings } from "../queue-settings.ts"

export class ClassicQueue implements QueuePolicy {
  readonly #policy: Policy
  readonly #sliceTicks: number
  readonly #waiting: TaskView[] = []

  constructor(policy: Policy, { sliceTicks }: QueueSettings) {
    this.#policy = policy
    this.#sliceTicks = sliceTicks
  }

  get length(): number {
    return this.#waiting.length
  }

  waiting(): readonly TaskView[] {
    return [...this.#waiting]
  }

  find(task: string): TaskView | undefined {
    return this.#waiting[this.#indexOf(task)]
  }

  enqueue(task: TaskView, _now: number, why: EnqueueReason): void {
    const index = this.#indexOf(task.task)
    if (index >= 0) {
      if ((this.#waiting[index] as TaskView).taskSeq <= task.taskSeq) this.#waiting[index] = task
    } else if (why === "refused") this.#waiting.unshift(task)
    else this.#waiting.push(task)
  }

  remove(task: string): TaskView | undefined {
    return this.#take(this.#indexOf(task))
  }

  offer(): void {}

  pick(cpu: number): TaskView | undefined {
    return this.#take(this.#policy.pick(this.#waiting, cpu))
  }

  give(thiefCpu: number): TaskView | undefined {
    return this.#waiting[this.#policy.give(this.#waiting, thiefCpu)]
  }

  charge(): void {}

  sliceTicks(): number {
    return this.#sliceTicks * (this.#policy.slices?.(this.#waiting.length) ?? 1)
  }

  #take(index: number): TaskView | undefined {
    return index < 0 ? undefined : this.#waiting.splice(index, 1)[0]
  }

  #indexOf(task: string): number {
    return this.#waiting.findIndex((one) => one.task === task)
  }
}
