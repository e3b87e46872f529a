/** How many tasks of this node are in each state, told as events when it changes: the level behind "tasks by state". */
import { event } from "@backplane/foundation-actor/effects"
import type { HeldTask } from "@backplane/compute-contract/task-messages"
import type { Out } from "./node-context.ts"

const STATES: readonly HeldTask["state"][] = ["leasing", "waiting", "running", "blocked"]

export class TaskLevels {
  readonly #node: number
  readonly #told = new Map<string, number>()

  constructor(node: number) {
    this.#node = node
  }

  /** The first time it tells every state, also those that no task is in: a level that was never told is not zero but unknown. */
  tell(holds: readonly HeldTask[], out: Out): void {
    for (const state of STATES) {
      const count = holds.filter((task) => task.state === state).length
      if (this.#told.get(state) === count) continue
      this.#told.set(state, count)
      out.push(event("tasks", { node: this.#node, state, count }))
    }
  }
}
