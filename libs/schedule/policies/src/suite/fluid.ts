/**
 * The ideal that fair policies are measured against: a fluid CPU that serves all tasks that want it at once, each by its weight.
 *
 * Lag = what the fluid CPU would have given a task − what it got. Above 0: it is owed. One CPU; told once a tick.
 */
import type { TaskFate } from "./drive.ts"

export class FluidCpu {
  /** Ticks due to each task. */
  readonly #due = new Map<TaskFate, number>()
  lagMost = 0
  lagLeast = 0

  /** A tick is about to be given to one of the tasks that want it. */
  onTick(fates: readonly TaskFate[]): void {
    const wanting = fates.filter(({ state }) => state === "waiting" || state === "running")
    const weights = wanting.reduce((sum, { plan }) => sum + plan.weight, 0)
    for (const fate of wanting) {
      const due = (this.#due.get(fate) ?? 0) + fate.plan.weight / weights
      this.#due.set(fate, due)
      const lag = due - (fate.ranTicks + (fate.state === "running" ? 1 : 0))
      this.lagMost = Math.max(this.lagMost, lag)
      this.lagLeast = Math.min(this.lagLeast, lag)
    }
  }

  dueTicks(fate: TaskFate): number {
    return this.#due.get(fate) ?? 0
  }
}
