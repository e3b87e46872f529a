/**
 * Tasks that nobody waits behind keep their CPUs: shortly before a slice ends, while the queue is empty, the node is told to let the run go on.
 * Otherwise the CPU would stand idle for two messages' time, only to hear that the same task goes on. Where the machine makes choices ahead
 * (`schedule.prefetch`): this is the choice where there is none.
 *
 * As late as can be, a tick before the end: whoever comes after it waits a slice, as behind any run, and that tick.
 */
import { timer } from "@backplane/foundation-actor/effects"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Decision } from "@backplane/schedule-contract/scheduler-messages"
import type { Run } from "./cpu-claims.ts"
import type { Out, SchedulerContext } from "./scheduler-context.ts"

export const KEEP_TIMER = "keep"
/** Slices that are shorter leave no time for it. */
const SLICE_TICKS_LEAST = 3
const BEFORE_TICKS = 1

interface Kept {
  readonly run: Run
  until: VirtualTime
}

export class Keeping {
  readonly #context: SchedulerContext
  readonly #kept = new Map<number, Kept>()

  constructor(context: SchedulerContext) {
    this.#context = context
  }

  /** The CPU runs this since now or a little before: looks again before it ends. Null: it is not known what it runs. */
  onRun(now: VirtualTime, cpu: number, run: Run | null, out: Out): void {
    if (run === null || this.#context.spec.schedule.sliceTicks < SLICE_TICKS_LEAST) return void this.#kept.delete(cpu)
    if (this.#kept.get(cpu)?.run === run) return
    // A choice made ahead has the length of its slice, any other the end.
    const until = run.next === true ? this.#context.ticks.start(this.#context.ticks.tickAt(now) + this.#ticksOf(run.until)) : run.until
    this.#kept.set(cpu, { run, until: virtualTime(until) })
    this.#arm(cpu, out)
  }

  #ticksOf(cycles: number): number {
    return Math.floor(cycles / this.#context.spec.clock.tickCycles)
  }

  #arm(cpu: number, out: Out): void {
    const kept = this.#kept.get(cpu)
    if (kept !== undefined)
      out.push(timer(`${KEEP_TIMER}/${cpu}`, virtualTime(kept.until - BEFORE_TICKS * this.#context.spec.clock.tickCycles)))
  }

  /** A CPU's timer: what the node is told, if it still runs that and `sliceTicks` says for how long. */
  onTimer(key: string, runOf: (cpu: number) => Run | null, sliceTicks: (task: string) => number, out: Out): Decision | null {
    const cpu = Number(key.slice(KEEP_TIMER.length + 1))
    const kept = this.#kept.get(cpu)
    if (kept === undefined || runOf(cpu) !== kept.run) return null
    const { task, taskSeq } = kept.run
    kept.until = this.#context.sliceEnd(kept.until, sliceTicks(task))
    this.#arm(cpu, out)
    return { type: "KEEP", cpu, task, taskSeq, until: kept.until }
  }

  forget(): void {
    this.#kept.clear()
  }
}
