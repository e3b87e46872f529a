/**
 * The waiting tasks that this scheduler has claims on, oldest first.
 *
 * Invariant: a task is here once. A newer view of a task replaces the older one in place.
 */
import type { TaskView } from "@backplane/schedule-contract/task-view"

export class RunQueue {
  readonly #waiting: TaskView[] = []

  get waiting(): readonly TaskView[] {
    return this.#waiting
  }

  get length(): number {
    return this.#waiting.length
  }

  enqueue(task: TaskView): void {
    const index = this.#indexOf(task.task)
    if (index < 0) this.#waiting.push(task)
    else if ((this.#waiting[index] as TaskView).taskSeq <= task.taskSeq) this.#waiting[index] = task
  }

  /** Before the first tick tasks line up in the order of their creation, whichever node told of them first. */
  enqueueInOrder(task: TaskView): void {
    this.enqueue(task)
    this.#waiting.sort((a, b) => a.ordinal - b.ordinal)
  }

  /** A claim that was not used after all goes back to the head; what has been heard of the task meanwhile counts more. */
  putBack(task: TaskView): void {
    if (this.#indexOf(task.task) < 0) this.#waiting.unshift(task)
  }

  take(index: number): TaskView | undefined {
    return index < 0 ? undefined : this.#waiting.splice(index, 1)[0]
  }

  find(task: string): TaskView | undefined {
    return this.#waiting[this.#indexOf(task)]
  }

  /** Removes the claim if it is on this state of the task or on an older one. */
  remove(task: string, taskSeq: number): void {
    const index = this.#indexOf(task)
    if (index >= 0 && (this.#waiting[index] as TaskView).taskSeq <= taskSeq) this.take(index)
  }

  removeIf(gone: (task: TaskView) => boolean): void {
    for (let index = this.#waiting.length - 1; index >= 0; index--)
      if (gone(this.#waiting[index] as TaskView)) this.#waiting.splice(index, 1)
  }

  #indexOf(task: string): number {
    return this.#waiting.findIndex((one) => one.task === task)
  }
}
