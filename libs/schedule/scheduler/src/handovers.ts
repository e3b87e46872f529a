/**
 * Claims that are being handed to a thief: said to the node again until it has judged them.
 *
 * The victim has struck the task off its queue and the thief may give up asking, so this is the one place that still knows of the
 * claim: without the repeat a lost commit would leave a task that nobody chooses (I2 of the README).
 */
import { timer } from "@backplane/foundation-actor/effects"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Decision } from "@backplane/schedule-contract/scheduler-messages"
import { RETRY_TICKS, type Out, type SchedulerContext } from "./scheduler-context.ts"

export const HANDOVER_TIMER = "handover"

export type Handover = Extract<Decision, { type: "REQUEUE" }>

export interface PlacedHandover {
  /** Where the task lies: who has to do it. */
  readonly node: number
  readonly decision: Handover
}

export class Handovers {
  readonly #context: SchedulerContext
  readonly #open = new Map<string, PlacedHandover>()

  constructor(context: SchedulerContext) {
    this.#context = context
  }

  begin(now: VirtualTime, handover: PlacedHandover, out: Out): void {
    if (this.#open.size === 0) this.#arm(now, out)
    this.#open.set(handover.decision.stealId, handover)
  }

  /** The node has judged it. */
  settled(stealId: string): void {
    this.#open.delete(stealId)
  }

  /** What has to be said again now. */
  repeat(now: VirtualTime, out: Out): readonly PlacedHandover[] {
    if (this.#open.size > 0) this.#arm(now, out)
    return [...this.#open.values()]
  }

  /** The node's snapshot will tell how things stand; without a node, that of all. */
  forget(node?: number): void {
    for (const [stealId, handover] of [...this.#open]) if (node === undefined || handover.node === node) this.#open.delete(stealId)
  }

  tasks(): readonly string[] {
    return [...this.#open.values()].map(({ decision }) => decision.task)
  }

  #arm(now: VirtualTime, out: Out): void {
    out.push(timer(HANDOVER_TIMER, this.#context.laterTicks(now, RETRY_TICKS)))
  }
}
