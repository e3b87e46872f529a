/** The order in which idle CPUs are served: by number, or (option `randomOrder`, one queue) in a fresh random order each tick. */
import { MersenneTwister } from "@backplane/foundation-base/mersenne-twister"
import { layoutOfQueue } from "@backplane/scenario-machine/topology"
import type { SchedulerContext } from "./scheduler-context.ts"

export class CpuOrder {
  readonly #context: SchedulerContext
  readonly #twister: MersenneTwister
  /** First tick whose order has not been drawn: it is drawn for every tick, also for those in which nobody is idle. */
  #nextTick = 0
  #order: readonly number[] = []

  constructor(context: SchedulerContext) {
    this.#context = context
    this.#twister = new MersenneTwister(context.spec.seed)
    this.#twister.advanceTo(context.spec.schedule.drawsBefore)
  }

  /** `idle` is ascending. */
  of(idle: readonly number[], tick: number): readonly number[] {
    if (!this.#context.spec.schedule.randomOrder || layoutOfQueue(this.#context.queue) !== "all") return idle
    for (; this.#nextTick <= tick; this.#nextTick++) {
      const order = [...this.#context.cpus]
      this.#twister.shuffle(order)
      this.#order = order
    }
    return this.#order.filter((cpu) => idle.includes(cpu))
  }
}
