/** One question of a thief: asked of one victim, repeated until answered, traced as one span. */
import { closeSpan, event, openSpan, send, timer, cancel } from "@backplane/foundation-actor/effects"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { StealAsk } from "@backplane/schedule-contract/steal-messages"
import { schedulerActor, type QueueName } from "@backplane/scenario-machine/topology"
import { RETRY_TICKS, type Out, type SchedulerContext } from "./scheduler-context.ts"
import { STEAL_TIMER } from "./stealing.ts"

/** A victim that does not answer so many times is taken to have nothing. */
const TRIES_MAX = 5
export const STEAL_RETRY_TIMER = `${STEAL_TIMER}/retry`

export class StealRequest {
  readonly #context: SchedulerContext
  #count = 0
  #open: { readonly victim: QueueName; readonly ask: StealAsk; tries: number } | null = null

  constructor(context: SchedulerContext) {
    this.#context = context
  }

  get isOpen(): boolean {
    return this.#open !== null
  }

  ask(now: VirtualTime, want: { readonly victim: QueueName; readonly cpu: number; readonly task: string | null }, out: Out): void {
    const { epoch, queue, generation } = this.#context
    const { victim, cpu, task } = want
    // With the epoch: each change of policy begins to count anew.
    const stealId = `${queue}/${generation}/${epoch}/${++this.#count}`
    const ask: StealAsk = { kind: "StealAsk", epoch, stealId, thief: queue, cpu, task }
    this.#open = { victim, ask, tries: 1 }
    out.push(openSpan("steal", "sched.steal", { "backplane.from": victim, "backplane.to": queue }, { root: true }))
    out.push(send(schedulerActor(victim), ask, "steal"))
    out.push(timer(STEAL_RETRY_TIMER, this.#context.laterTicks(now, RETRY_TICKS)))
    out.push(event("steal-asked", { "backplane.from": victim, "backplane.queue": queue }))
  }

  /** True where `stealId` is the open question; it is closed then. */
  close(stealId: string, got: boolean, out: Out): boolean {
    if (this.#open?.ask.stealId !== stealId) return false
    this.#open = null
    out.push(closeSpan("steal", { "backplane.verdict": got ? "granted" : "refused" }), cancel(STEAL_RETRY_TIMER))
    out.push(event(got ? "steal-granted" : "steal-refused", { "backplane.queue": this.#context.queue }))
    return true
  }

  /** Repeats the open question; false when it is given up. */
  repeat(now: VirtualTime, out: Out): boolean {
    if (this.#open === null) return true
    if (this.#open.tries++ >= TRIES_MAX) {
      this.close(this.#open.ask.stealId, false, out)
      return false
    }
    out.push(send(schedulerActor(this.#open.victim), this.#open.ask, "steal"))
    out.push(timer(STEAL_RETRY_TIMER, this.#context.laterTicks(now, RETRY_TICKS)))
    return true
  }
}
