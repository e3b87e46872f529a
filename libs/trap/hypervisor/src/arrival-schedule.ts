/** When drawn jobs arrive: one timer after the other, kept over a restart. What they are is drawn by `Arrivals`. */
import { persist, timer } from "@backplane/foundation-actor/effects"
import type { Restored } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { Arrivals, numberOfArrival } from "./arrivals.ts"
import type { HypervisorContext, Out } from "./hypervisor-context.ts"
import type { JobStarts } from "./job-starts.ts"
import type { JobTable } from "./job-table.ts"

const KEY = "arrivals"

export class ArrivalSchedule {
  readonly #context: HypervisorContext
  readonly #jobs: JobTable
  readonly #starts: JobStarts
  /** Null where the scenario has none. */
  #arrivals: Arrivals | null = null

  constructor(parts: { readonly context: HypervisorContext; readonly jobs: JobTable; readonly starts: JobStarts }) {
    this.#context = parts.context
    this.#jobs = parts.jobs
    this.#starts = parts.starts
  }

  get isOver(): boolean {
    return this.#arrivals === null || this.#arrivals.isOver
  }

  begin(now: VirtualTime, restored: Restored, out: Out): void {
    const { spec, ticks } = this.#context
    if (spec.arrivals === undefined) return
    const kept = restored.get(KEY)
    // The count may be older on disk than the last jobs, whose names say how many there have been.
    const numbers = this.#jobs.all().map(({ spec: { name } }) => numberOfArrival(name) ?? -1)
    const made = numbers.reduce((most, number) => Math.max(most, number + 1), typeof kept === "number" ? kept : 0)
    this.#arrivals = new Arrivals(spec.arrivals, spec.seed, made)
    out.push(timer("arrival", ticks.start(Math.max(0, ticks.tickAt(now)) + this.#arrivals.gapTicks())))
  }

  onTimer(now: VirtualTime, out: Out): void {
    const arrivals = this.#arrivals
    if (arrivals === null || arrivals.isOver) return
    if (arrivals.mayAdd(this.#jobs.inState("due", "submitted", "live").length)) {
      for (const name of this.#jobs.forgetOldest(this.#context.spec.jobs.length)) this.#starts.forget(name, out)
      this.#starts.place(this.#jobs.add(arrivals.next(this.#context.ticks.tickAt(now))), out)
      out.push(persist(KEY, arrivals.made))
    }
    out.push(timer("arrival", this.#context.laterTicks(now, arrivals.gapTicks())))
  }
}
