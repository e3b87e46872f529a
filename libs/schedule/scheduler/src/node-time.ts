/**
 * A scheduler whose time is what the nodes say (`at` of events and verdicts), as the contract has it: for machines in free mode, where the clock of
 * its own process may be early or late, and for the conformance kit, whose machine has no clock at all.
 *
 * Between two words of the nodes time moves only by its own timers, which take as long as they would by the host's clock.
 */
import type { Effect, Input, Machine } from "@backplane/foundation-actor/machine"
import { after, virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Json } from "@backplane/foundation-base/json"
import type { SchedulerHears, SchedulerSays } from "./scheduler-context.ts"

export class NodeTime implements Machine<SchedulerHears, SchedulerSays> {
  readonly #inner: Machine<SchedulerHears, SchedulerSays>
  /** When timers are due, in the time of the nodes. */
  readonly #due = new Map<string, VirtualTime>()
  #now = virtualTime(0)

  constructor(inner: Machine<SchedulerHears, SchedulerSays>) {
    this.#inner = inner
  }

  start(now: VirtualTime, restored: ReadonlyMap<string, Json>): readonly Effect<SchedulerSays>[] {
    return this.#translate(now, this.#inner.start(this.#now, restored))
  }

  step(now: VirtualTime, input: Input<SchedulerHears>): readonly Effect<SchedulerSays>[] {
    const told = this.#toldBy(input)
    if (told > this.#now) this.#now = told
    return this.#translate(now, this.#inner.step(this.#now, input))
  }

  #toldBy(input: Input<SchedulerHears>): VirtualTime {
    if (input.kind === "message") return "at" in input.body && input.body.at !== undefined ? virtualTime(input.body.at) : this.#now
    if (input.kind !== "timer") return this.#now
    const due = this.#due.get(input.key) ?? this.#now
    this.#due.delete(input.key)
    return due
  }

  #translate(now: VirtualTime, effects: readonly Effect<SchedulerSays>[]): readonly Effect<SchedulerSays>[] {
    return effects.map((effect) => {
      if (effect.kind === "cancel") this.#due.delete(effect.key)
      if (effect.kind !== "timer") return effect
      this.#due.set(effect.key, effect.at)
      return { ...effect, at: after(now, Math.max(0, effect.at - this.#now)) }
    })
  }

  inspect(): Json {
    return this.#inner.inspect?.() ?? null
  }
}
