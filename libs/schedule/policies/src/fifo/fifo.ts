/** First in, first out: a task runs until it blocks. See README.md beside this file. */
import type { TaskView } from "@backplane/schedule-contract/task-view"
import type { Account, Discipline } from "../discipline.ts"
import { mayRun } from "../policy.ts"
import { PolicyQueue } from "../policy-queue.ts"
import type { EnqueueReason, QueuePolicyKind } from "../queue-policy.ts"
import { TaskList } from "../structures/task-list.ts"

/** As good as no end: longer than any run of a machine. */
const SLICE_UNBOUNDED_TICKS = 100_000_000

class FifoDiscipline implements Discipline<null> {
  readonly #list = new TaskList<Account<null>>()

  open(): null {
    return null
  }

  /** A task whose run was cut short did not ask for it, and goes on first (POSIX, SCHED_FIFO). */
  insert(account: Account<null>, _now: number, why: EnqueueReason): void {
    if (why === "slice" || why === "preempt" || why === "refused") this.#list.pushFront(account)
    else this.#list.pushBack(account)
  }

  delete(account: Account<null>): void {
    this.#list.remove(account)
  }

  choose(cpu: number): Account<null> | undefined {
    return this.#list.find(({ view }: { readonly view: TaskView }) => mayRun(view, cpu))
  }

  give(thiefCpu: number): Account<null> | undefined {
    return this.choose(thiefCpu)
  }

  charge(): void {}

  sliceTicks(): number {
    return SLICE_UNBOUNDED_TICKS
  }
}

export const fifo: QueuePolicyKind = {
  name: "fifo",
  summary: "one queue; a task runs until it blocks or ends",
  layout: "all",
  slices: "own",
  steal: "none",
  create: () => new PolicyQueue(new FifoDiscipline()),
}
