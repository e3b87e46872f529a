/**
 * Asks all other queues what they would give as soon as a CPU is idle with nothing to run, and takes the offer that loses least
 * (policy mqms-warm). After a round without an offer it waits for the next peek interval, or for the next word of the idle CPU.
 */
import { cancel, send, timer } from "@backplane/foundation-actor/effects"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { OfferAnswer } from "@backplane/schedule-contract/steal-messages"
import type { TaskView } from "@backplane/schedule-contract/task-view"
import { nodeOfCpu } from "@backplane/scenario-machine/topology"
import { domainsOf, ringHops, victimFor } from "@backplane/schedule-policies/domains/domains"
import { compareLoss, lossClass } from "@backplane/schedule-policies/mqms-warm/mqms-warm"
import type { Out, SchedulerContext } from "./scheduler-context.ts"
import { STEAL_RETRY_TIMER, StealRequest } from "./steal-request.ts"
import { STEAL_TIMER, type StealHost, type Stealing, type StealReply } from "./stealing.ts"

/** An answer that takes longer than this many messages' time is not waited for; */
const ANSWER_MESSAGES = 50
/** in free mode, where a message takes as long as the bus makes it, than this many ticks. */
const ANSWER_TICKS = 2
/** Messages' time after the start of a tick by which CPUs have been assigned. */
const ASSIGNED_MESSAGES = 20
/** Rounds in a row for one idle CPU: another thief may be faster. */
const ROUNDS_MAX = 8
const COLLECT_TIMER = `${STEAL_TIMER}/collect`
const AGAIN_TIMER = `${STEAL_TIMER}/again`

export class OfferStealing implements Stealing {
  readonly #context: SchedulerContext
  readonly #host: StealHost
  readonly #request: StealRequest
  #round = 0
  /** Answers of the open round; null: no round is open. */
  #answers: Map<string, OfferAnswer> | null = null
  /** All answers of the round that is being decided. */
  #heard: readonly OfferAnswer[] = []
  #roundsLeft = 0
  /** For which work is looked for, and how many must wait in a queue that is to give some. */
  #cpu: number | null = null
  #waitingLeast = 1
  /** For a busy CPU not before then: its queue is empty after every decision. */
  #againAt: VirtualTime | null = null

  constructor(context: SchedulerContext, host: StealHost) {
    this.#context = context
    this.#host = host
    this.#request = new StealRequest(context)
  }

  begin(): void {
    // Nothing to look for before a CPU is idle.
  }

  mayDecide(): boolean {
    return true
  }

  afterDecide(now: VirtualTime, idleCpus: readonly number[], out: Out): void {
    this.#lookFor(idleCpus)
    if (this.#cpu === null || this.#answers !== null || this.#request.isOpen) return
    if (this.#waitingLeast > 1 && this.#againAt !== null && now < this.#againAt) return
    this.#roundsLeft = ROUNDS_MAX
    // Others may be in the middle of assigning their own CPUs: ask when they have done so.
    const start = this.#context.ticks.start(this.#context.ticks.tickAt(now))
    const assigned = this.#context.laterMessages(start, ASSIGNED_MESSAGES)
    if (now < assigned) out.push(timer(AGAIN_TIMER, assigned))
    else this.#askAll(now, out)
  }

  /** For an idle CPU; or, where the policy evens out, for a busy one behind whose task nobody waits: from where two do. */
  #lookFor(idleCpus: readonly number[]): void {
    const { policy, cpus } = this.#context
    const idle = idleCpus[0]
    const cpu = idle ?? (policy.evensOut === true ? cpus[0] : undefined)
    this.#cpu = this.#host.queueLength() === 0 && cpu !== undefined && this.#host.isOnline(cpu) ? cpu : null
    this.#waitingLeast = idle === undefined ? 2 : 1
  }

  #askAll(now: VirtualTime, out: Out): void {
    const peers = this.#context.peers()
    if (this.#cpu === null || this.#host.queueLength() > 0 || peers.length === 0) return
    this.#roundsLeft--
    this.#againAt = this.#context.laterTicks(now, this.#context.peekInterval)
    this.#round++
    this.#answers = new Map()
    const { epoch, queue } = this.#context
    for (const peer of peers) out.push(send(peer, { kind: "OfferAsk", epoch, round: this.#round, thief: queue, cpu: this.#cpu }))
    out.push(timer(COLLECT_TIMER, this.#deadline(now)))
  }

  #deadline(now: VirtualTime): VirtualTime {
    const { spec } = this.#context
    return spec.clock.mode === "free" ? this.#context.laterTicks(now, ANSWER_TICKS) : this.#context.laterMessages(now, ANSWER_MESSAGES)
  }

  onReply(now: VirtualTime, _from: unknown, reply: StealReply, out: Out): void {
    if (reply.kind === "StealNone" && this.#request.close(reply.stealId, false, out)) return this.#again(now, out)
    if (reply.kind !== "OfferAnswer" || reply.round !== this.#round || this.#answers === null) return
    this.#answers.set(reply.queue, reply)
    if (this.#answers.size === this.#context.otherQueues().length) this.#choose(now, out)
  }

  onTimer(now: VirtualTime, key: string, out: Out): void {
    if (key === COLLECT_TIMER) this.#choose(now, out)
    else if (key === AGAIN_TIMER && this.#answers === null && !this.#request.isOpen) this.#askAll(now, out)
    else if (key === STEAL_RETRY_TIMER) this.#request.repeat(now, out)
  }

  #choose(now: VirtualTime, out: Out): void {
    const cpu = this.#cpu
    this.#heard = [...(this.#answers?.values() ?? [])]
    const offers = this.#heard.filter((answer) => answer.offer !== null && answer.waiting >= this.#waitingLeast)
    this.#answers = null
    out.push(cancel(COLLECT_TIMER))
    if (cpu === null || this.#host.queueLength() > 0) return
    const best = this.#context.policy.steal === "domains" ? this.#nearest(offers, cpu) : offers.sort((a, b) => compareOffers(a, b, cpu))[0]
    if (best?.offer !== null && best !== undefined) this.#request.ask(now, { victim: best.queue, cpu, task: best.offer.task }, out)
    else if (this.#waitingLeast === 1) this.#waitForNextPeek(now, out)
  }

  /** By scheduling domains. What was not offered does not wait for this CPU. */
  #nearest(offers: readonly OfferAnswer[], cpu: number): OfferAnswer | undefined {
    const { spec, planted } = this.#context
    const nodeOf = Array.from({ length: spec.topology.cpus }, (_, one) => nodeOfCpu(spec.topology, one))
    const domains = domainsOf(cpu, { nodes: spec.topology.nodes, nodeOf, hops: ringHops(spec.topology.nodes) }, planted)
    const cpuOf = ({ queue }: OfferAnswer): number => Number(queue.slice("cpu-".length))
    const loads = this.#heard.map((answer) => ({
      cpu: cpuOf(answer),
      load: answer.load ?? 0,
      waiting: answer.offer === null ? 0 : answer.waiting,
    }))
    const victim = victimFor(cpu, loads, { domains, bug: planted })
    return offers.find((answer) => cpuOf(answer) === victim)
  }

  #again(now: VirtualTime, out: Out): void {
    if (this.#roundsLeft > 0) this.#askAll(now, out)
    else this.#waitForNextPeek(now, out)
  }

  #waitForNextPeek(now: VirtualTime, out: Out): void {
    const interval = this.#context.peekInterval
    const next = (Math.floor(this.#context.ticks.tickAt(now) / interval) + 1) * interval
    this.#roundsLeft = ROUNDS_MAX
    out.push(timer(AGAIN_TIMER, this.#context.laterMessages(this.#context.ticks.start(next), ASSIGNED_MESSAGES)))
  }

  onArrival(now: VirtualTime, stealId: string, out: Out): void {
    if (this.#request.close(stealId, true, out)) this.#host.decideSoon(now, out)
  }
}

/** Below 0: `a` is the better one to take. Class of loss first, then the longest queue, then the least loss. */
function compareOffers(a: OfferAnswer, b: OfferAnswer, cpu: number): number {
  const left = a.offer as TaskView
  const right = b.offer as TaskView
  return lossClass(left, cpu) - lossClass(right, cpu) || b.waiting - a.waiting || compareLoss(left, right, cpu)
}
