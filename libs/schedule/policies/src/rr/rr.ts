/** Round robin: see README.md beside this file. */
import type { Account, Discipline } from "../discipline.ts"
import { mayRun } from "../policy.ts"
import { PolicyQueue } from "../policy-queue.ts"
import type { EnqueueReason, QueuePolicyKind } from "../queue-policy.ts"
import { TaskList } from "../structures/task-list.ts"

class RoundRobinDiscipline implements Discipline<null> {
  readonly #list = new TaskList<Account<null>>()
  readonly #sliceTicks: number

  constructor(sliceTicks: number) {
    this.#sliceTicks = sliceTicks
  }

  open(): null {
    return null
  }

  insert(account: Account<null>, _now: number, why: EnqueueReason): void {
    if (why === "refused") this.#list.pushFront(account)
    else this.#list.pushBack(account)
  }

  delete(account: Account<null>): void {
    this.#list.remove(account)
  }

  choose(cpu: number): Account<null> | undefined {
    return this.#list.find((account) => mayRun(account.view, cpu))
  }

  give(thiefCpu: number): Account<null> | undefined {
    return this.choose(thiefCpu)
  }

  charge(): void {}

  sliceTicks(): number {
    return this.#sliceTicks
  }
}

export const rr: QueuePolicyKind = {
  name: "rr",
  summary: "one queue; each task in turn for a slice",
  layout: "all",
  slices: "aligned",
  steal: "none",
  create: ({ sliceTicks }) => new PolicyQueue(new RoundRobinDiscipline(sliceTicks)),
}
