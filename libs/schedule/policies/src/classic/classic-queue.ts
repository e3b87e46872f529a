/** A policy without a memory (`Policy`: which of the waiting, oldest first) as an instance that holds its queue. */
import type { TaskView } from "@backplane/schedule-contract/task-view"
import { firstThatMayRun, type Policy } from "../policy.ts"
import type { EnqueueReason, QueuePolicy } from "../queue-policy.ts"
import type { QueueSettings } from "../queue-settings.ts"

export class ClassicQueue implements QueuePolicy {
  readonly #policy: Policy
  readonly #sliceTicks: number
  readonly #cacheSize: number
  /** The latest. */
  #picked: TaskView | undefined
  readonly #waiting: TaskView[] = []
  /** How often each was passed over although it was the oldest, while it waits. */
  readonly #passes = new Map<string, number>()

  constructor(policy: Policy, { sliceTicks, cacheSize }: QueueSettings) {
    this.#cacheSize = cacheSize ?? 0
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
    return (this.#picked = this.#take(this.#patient(this.#policy.pick(this.#waiting, cpu), cpu)))
  }

  /** What was picked, or the oldest where that was passed over too often. */
  #patient(picked: number, cpu: number): number {
    const { passesMax } = this.#policy
    if (passesMax === undefined || picked < 0) return picked
    const oldest = firstThatMayRun(this.#waiting, cpu)
    const name = this.#waiting[oldest]?.task ?? ""
    const passes = this.#passes.get(name) ?? 0
    if (oldest === picked || passes >= passesMax) return oldest
    this.#passes.set(name, passes + 1)
    return picked
  }

  give(thiefCpu: number): TaskView | undefined {
    return this.#waiting[this.#policy.give(this.#waiting, thiefCpu)]
  }

  charge(): void {}

  sliceTicks(task: string): number {
    const { slices } = this.#policy
    const isLatest = this.#picked?.task === task
    return this.#sliceTicks * (slices === undefined || !isLatest ? 1 : slices(this.#picked as TaskView, this.#waiting, this.#cacheSize))
  }

  #take(index: number): TaskView | undefined {
    const task = index < 0 ? undefined : this.#waiting.splice(index, 1)[0]
    if (task !== undefined) this.#passes.delete(task.task)
    return task
  }

  #indexOf(task: string): number {
    return this.#waiting.findIndex((one) => one.task === task)
  }
}
