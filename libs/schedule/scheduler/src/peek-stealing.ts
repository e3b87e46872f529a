/** Looks into one random queue at each peek interval, after CPUs have been assigned (policy mqms-steal outside compat). */
import { timer } from "@backplane/foundation-actor/effects"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { Random } from "@backplane/foundation-base/random"
import type { Out, SchedulerContext } from "./scheduler-context.ts"
import { STEAL_RETRY_TIMER, StealRequest } from "./steal-request.ts"
import { STEAL_TIMER, type StealHost, type Stealing, type StealReply } from "./stealing.ts"

/** Messages' time after the start of a tick by which CPUs have been assigned. */
const ASSIGNED_MESSAGES = 20
const PEEK_TIMER = `${STEAL_TIMER}/peek`

export class PeekStealing implements Stealing {
  readonly #context: SchedulerContext
  readonly #host: StealHost
  readonly #random: Random
  readonly #request: StealRequest

  constructor(context: SchedulerContext, host: StealHost) {
    this.#context = context
    this.#host = host
    this.#random = new Random(context.spec.seed).fork(`peek/${context.queue}`)
    this.#request = new StealRequest(context)
  }

  begin(now: VirtualTime, out: Out): void {
    this.#armNext(now, out)
  }

  #armNext(now: VirtualTime, out: Out): void {
    const { peekTicks } = this.#context.spec.schedule
    if (peekTicks === 0) return
    const next = (Math.floor(Math.max(0, this.#context.ticks.tickAt(now)) / peekTicks) + 1) * peekTicks
    out.push(timer(PEEK_TIMER, this.#context.laterMessages(this.#context.ticks.start(next), ASSIGNED_MESSAGES)))
  }

  mayDecide(): boolean {
    return true
  }

  afterDecide(): void {
    // Looking is a matter of the interval only.
  }

  onTimer(now: VirtualTime, key: string, out: Out): void {
    if (key === STEAL_RETRY_TIMER) return void this.#request.repeat(now, out)
    this.#armNext(now, out)
    const others = this.#context.otherQueues()
    const cpu = this.#context.cpus[0] ?? 0
    if (others.length === 0 || this.#host.queueLength() > 0 || this.#request.isOpen || !this.#host.isOnline(cpu)) return
    this.#request.ask(now, { victim: this.#random.pick(others), cpu, task: null }, out)
  }

  onReply(_now: VirtualTime, _from: unknown, reply: StealReply, out: Out): void {
    if (reply.kind === "StealNone") this.#request.close(reply.stealId, false, out)
  }

  onArrival(now: VirtualTime, stealId: string, out: Out): void {
    if (this.#request.close(stealId, true, out)) this.#host.decideSoon(now, out)
  }
}
