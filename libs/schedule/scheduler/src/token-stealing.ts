/**
 * Stealing exactly as in the OSTEP model (`compat: ostep`): at a peek tick, after the tick's interrupts and before CPUs are assigned,
 * the CPUs look one after the other; a CPU whose queue is empty draws one victim from the one generator that all share.
 *
 * A token carries the turn and the generator's position from scheduler to scheduler; the last one tells all that CPUs may be assigned.
 * The scheduler of CPU 0 starts the round and keeps the generator's position between rounds, with the draws that a random order of CPUs takes.
 */
import { event, send, timer } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { MersenneTwister } from "@backplane/foundation-base/mersenne-twister"
import { HYPERVISOR, schedulerActor } from "@backplane/scenario-machine/topology"
import type { StealDone, StealToken } from "@backplane/schedule-contract/steal-messages"
import type { Out, SchedulerContext } from "./scheduler-context.ts"
import { STEAL_RETRY_TIMER, StealRequest } from "./steal-request.ts"
import { STEAL_TIMER, type StealHost, type Stealing, type StealReply } from "./stealing.ts"

const ROUND_TIMER = `${STEAL_TIMER}/round`
const HOLD_TIMER = `${STEAL_TIMER}/hold`
/** The events of a tick's interrupts have arrived after so many messages' time. */
const INTERRUPTS_MESSAGES = 2

export class TokenStealing implements Stealing {
  readonly #context: SchedulerContext
  readonly #host: StealHost
  readonly #twister: MersenneTwister
  readonly #request: StealRequest
  readonly #cpu: number
  /** The last tick whose round is over. */
  #doneTick = 0
  /** First tick whose random order has not been drawn yet (CPU 0 only). */
  #nextOrderTick = 0
  /** The token, while it is here. */
  #token: StealToken | null = null

  constructor(context: SchedulerContext, host: StealHost) {
    this.#context = context
    this.#host = host
    this.#twister = new MersenneTwister(context.spec.seed)
    this.#twister.advanceTo(context.spec.schedule.drawsBefore)
    this.#request = new StealRequest(context)
    this.#cpu = context.cpus[0] ?? 0
  }

  begin(now: VirtualTime, out: Out): void {
    if (this.#cpu === 0) this.#armRound(now, out)
  }

  #armRound(now: VirtualTime, out: Out): void {
    const next = this.#peekTickAt(Math.max(0, this.#context.ticks.tickAt(now))) + this.#context.spec.schedule.peekTicks
    out.push(timer(ROUND_TIMER, this.#context.laterMessages(this.#context.ticks.start(next), INTERRUPTS_MESSAGES)))
  }

  /** The last peek tick at or before `tick`; 0 is none, and counts as over. */
  #peekTickAt(tick: number): number {
    return tick - (tick % this.#context.spec.schedule.peekTicks)
  }

  /** While a round is under way CPUs are not assigned; they are when its tick is over all the same: a token may be lost with its holder. */
  mayDecide(now: VirtualTime, out: Out): boolean {
    const tick = this.#context.ticks.tickAt(now)
    const isOver = tick !== this.#peekTickAt(tick) || this.#doneTick >= tick
    if (!isOver) out.push(timer(HOLD_TIMER, this.#context.laterTicks(now, 1)))
    return isOver
  }

  afterDecide(): void {
    // Looking is a matter of the token only.
  }

  onTimer(now: VirtualTime, key: string, out: Out): void {
    if (key === ROUND_TIMER) this.#startRound(now, out)
    else if (key === STEAL_RETRY_TIMER && !this.#request.repeat(now, out)) this.#passOn(out)
    else if (key === HOLD_TIMER) this.#host.decideSoon(now, out)
  }

  #startRound(now: VirtualTime, out: Out): void {
    this.#armRound(now, out)
    const tick = this.#context.ticks.tickAt(now)
    if (this.#context.spec.schedule.randomOrder) {
      const cpus = Array.from({ length: this.#context.spec.topology.cpus }, (_, cpu) => cpu)
      for (; this.#nextOrderTick < tick; this.#nextOrderTick++) this.#twister.shuffle([...cpus])
    }
    this.#onToken(now, { kind: "StealToken", epoch: this.#context.epoch, tick, draws: this.#twister.draws }, out)
  }

  onReply(now: VirtualTime, _from: ActorId, reply: StealReply, out: Out): void {
    if (reply.kind === "StealToken") this.#onToken(now, reply, out)
    else if (reply.kind === "StealDone") this.#onDone(now, reply, out)
    else if (reply.kind === "StealNone" && this.#request.close(reply.stealId, false, out)) this.#passOn(out)
  }

  onArrival(_now: VirtualTime, stealId: string, out: Out): void {
    if (this.#request.close(stealId, true, out)) this.#passOn(out)
  }

  #onToken(now: VirtualTime, token: StealToken, out: Out): void {
    if (token.tick <= this.#doneTick || this.#token !== null || token.draws < this.#twister.draws) return // an old copy
    this.#twister.advanceTo(token.draws)
    this.#token = token
    if (this.#host.queueLength() > 0) return this.#passOn(out)
    const others = this.#context.otherQueues()
    if (others.length === 0) {
      out.push(send(HYPERVISOR, { kind: "SchedulerFailure", queue: this.#context.queue, reason: "no-victim", tick: token.tick }))
      return
    }
    const victim = others[this.#twister.below(others.length)] as string
    this.#request.ask(now, { victim, cpu: this.#cpu, task: null }, out)
  }

  /** This CPU has had its turn. */
  #passOn(out: Out): void {
    const token = this.#token
    if (token === null) return
    this.#token = null
    const { epoch, spec } = this.#context
    const draws = this.#twister.draws
    if (this.#cpu + 1 < spec.topology.cpus) {
      out.push(send(schedulerActor(`cpu-${this.#cpu + 1}`), { kind: "StealToken", epoch, tick: token.tick, draws }))
      return
    }
    const done: StealDone = { kind: "StealDone", epoch, tick: token.tick, draws }
    for (const queue of [...this.#context.otherQueues(), this.#context.queue]) out.push(send(schedulerActor(queue), done))
    out.push(event("steal-round", { "backplane.queue": this.#context.queue }))
  }

  #onDone(now: VirtualTime, done: StealDone, out: Out): void {
    if (done.tick <= this.#doneTick) return
    this.#doneTick = done.tick
    if (done.draws > this.#twister.draws) this.#twister.advanceTo(done.draws)
    this.#host.decideSoon(now, out)
  }
}
