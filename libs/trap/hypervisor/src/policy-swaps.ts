/**
 * Changes of policy while the machine runs: one at a time, told to every node until each has changed.
 *
 * A swap is an epoch: what an older epoch's scheduler says is void. A node that begins a new life is told again. Nobody is told before it
 * is on disk: a hypervisor that begins anew would give the same epoch to another policy. A candidate may have to show first what it would do
 * (shadow-trial.ts); the shadow's epoch is of the same count.
 */
import { closeSpan, event, openSpan, persist, send, timer } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Restored } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Json } from "@backplane/foundation-base/json"
import type { ShadowReport } from "@backplane/compute-contract/machine-messages"
import type { NodeReport, PolicySwapped } from "@backplane/compute-contract/task-messages"
import { FALLBACK } from "@backplane/scenario-machine/machine-spec"
import { nodeActor, SHADOW_SEAT, type Seat } from "@backplane/scenario-machine/topology"
import type { SwapAsk } from "@backplane/trap-contract/operator-messages"
import type { HypervisorContext, Out } from "./hypervisor-context.ts"
import { PolicyLadder } from "./policy-ladder.ts"
import { ShadowTrial } from "./shadow-trial.ts"
import { candidateOf, seatsAfter, seatsOf, type SwapWish } from "./swap-wish.ts"
import { Writes } from "./writes.ts"

/** Under which the policy of the day is kept. */
const KEY = "policy"

/** Requests that are remembered, so that a repeat swaps nothing. */
const ANSWERED_MAX = 64

interface Change {
  readonly seats: readonly Seat[]
  readonly fallback: boolean
  /** Somebody wants it so; not given: the ladder does. */
  readonly asked?: boolean
  readonly reason: string
}

export class PolicySwaps {
  readonly #context: HypervisorContext
  /** Nodes that have not confirmed the current epoch. */
  readonly #waiting = new Set<number>()
  readonly #answered = new Map<string, number>()
  readonly #writes = new Writes()
  readonly ladder: PolicyLadder
  readonly shadow: ShadowTrial
  /** Actions of the scenario that have been begun: an earlier life's are not done again, and what it missed is. */
  #actionsDone = 0

  constructor(context: HypervisorContext) {
    this.#context = context
    this.shadow = new ShadowTrial(context)
    this.ladder = new PolicyLadder(context, {
      swap: (change, out) => {
        this.#begin(change, out)
      },
    })
  }

  get isUnderWay(): boolean {
    return this.#waiting.size > 0 || this.shadow.isUnderWay
  }

  restore(restored: Restored): void {
    this.ladder.restore(restored)
    const kept = restored.get(KEY)
    if (typeof kept !== "object" || kept === null || !("epoch" in kept)) return
    this.#context.epoch = Number(kept.epoch)
    this.#context.lastEpoch = "lastEpoch" in kept ? Number(kept.lastEpoch) : this.#context.epoch
    this.#context.seats = seatsOf(kept) ?? this.#context.seats
    this.#context.isFallback = "fallback" in kept && kept.fallback === true
    this.#context.isFallbackAsked = this.#context.isFallback && "asked" in kept && kept.asked === true
    this.#actionsDone = "actionsDone" in kept ? Number(kept.actionsDone) : 0
    for (let node = 0; node < this.#context.spec.topology.nodes; node++) this.#waiting.add(node)
    // A trial of an earlier life is over: what nodes have compared so far is not worth a new beginning.
    if (this.#context.lastEpoch > this.#context.epoch) this.shadow.stop(this.#context.nextEpoch())
  }

  /** Sets the timers of what the scenario asks for. */
  arm(now: VirtualTime, out: Out): void {
    this.ladder.resume(now, out)
    for (const [index, action] of this.#context.spec.actions.entries()) {
      const at = this.#context.ticks.start(action.atTick)
      if (index >= this.#actionsDone) out.push(timer(actionTimer(index), at > now ? at : now))
    }
  }

  /** Number `index` of the scenario's actions is due. Returns it, unless it was done before. */
  takeAction(index: number): HypervisorContext["spec"]["actions"][number] | null {
    const action = this.#context.spec.actions[index]
    if (action === undefined || index < this.#actionsDone) return null
    this.#actionsDone = index + 1
    return action
  }

  /** Somebody wants this. Returns the epoch with which it begins, or why not. */
  begin(now: VirtualTime, wish: SwapWish, out: Out): number | string {
    if (wish.policy === FALLBACK) {
      this.#endShadow(out)
      this.ladder.onFallback()
      this.#begin({ seats: this.#context.seats, fallback: true, asked: true, reason: "asked for" }, out)
      return this.#context.epoch
    }
    const candidate = candidateOf(wish)
    const after = typeof candidate === "string" ? candidate : seatsAfter(this.#context, candidate, wish.cpus)
    if (typeof candidate === "string") return candidate
    if (typeof after === "string") return after
    const { shadowSlices, shadowOnly = false } = wish
    if (shadowSlices === undefined) return this.#takeOver(now, after, out)
    const seat: Seat = { ...candidate, seat: wish.service?.seat ?? SHADOW_SEAT, cpus: null }
    if (this.#context.seats.some((active) => active.seat === seat.seat)) return `${seat.policy} schedules already`
    const epoch = this.#context.nextEpoch()
    const what = { "backplane.policy": seat.policy, "backplane.epoch": epoch, "backplane.reason": "in shadow first" }
    out.push(openSpan("swap", "sched.swap", what, { root: true }))
    const takeOver = shadowOnly ? null : (later: Out) => void this.#takeOver(null, after, later)
    this.shadow.begin(now, { epoch, seat, slices: shadowSlices, takeOver }, out)
    this.#keep(out)
    return epoch
  }

  /** `now` null: in the instant of the last input. */
  #takeOver(now: VirtualTime | null, seats: readonly Seat[], out: Out): number {
    const { isFallback, ticks } = this.#context
    if (now !== null) this.#endShadow(out)
    this.ladder.onSwap(now === null ? this.#tick : ticks.tickAt(now), seats, isFallback ? null : this.#context.seats)
    this.#begin({ seats, fallback: false, reason: "asked for" }, out)
    return this.#context.epoch
  }

  /** Of the input that is being handled. */
  #tick = 0
  /** The span of the swap is open already: its shadow began it. */
  #isTraced = false

  /** Another policy is wanted meanwhile. */
  #endShadow(out: Out): void {
    if (this.shadow.seat === null) return
    this.shadow.stop(this.#context.nextEpoch())
    out.push(closeSpan("swap", {}, "given up for another policy"))
  }

  onShadowReport(now: VirtualTime, report: ShadowReport, out: Out): void {
    if (this.shadow.onReport(report)) this.#judgeShadow(now, out)
  }

  onShadowTimer(now: VirtualTime, out: Out): void {
    if (this.shadow.isDue(now)) this.#judgeShadow(now, out)
  }

  /** The shadow is over; what passed takes over, in the same trace. */
  #judgeShadow(now: VirtualTime, out: Out): void {
    this.#tick = this.#context.ticks.tickAt(now)
    const { passed, takeOver, reason } = this.shadow.end(out)
    this.shadow.stop(this.#context.nextEpoch())
    if (passed && takeOver !== null) {
      this.#isTraced = true
      takeOver(out)
      this.#isTraced = false
      return
    }
    this.#keep(out)
    out.push(passed ? closeSpan("swap", { "backplane.reason": "shadow only" }) : closeSpan("swap", {}, reason))
  }

  #begin({ seats, fallback, asked = false, reason }: Change, out: Out): void {
    this.#context.seats = seats
    this.#context.isFallback = fallback
    this.#context.isFallbackAsked = fallback && asked
    this.#context.epoch = this.#context.nextEpoch()
    const { epoch, spec } = this.#context
    for (let node = 0; node < spec.topology.nodes; node++) this.#waiting.add(node)
    this.#keep(out)
    const what = { "backplane.policy": fallback ? "fallback" : this.#context.policy, "backplane.epoch": epoch }
    // After a shadow the swap's trace is open already.
    if (!this.#isTraced) out.push(openSpan("swap", "sched.swap", { ...what, "backplane.reason": reason.slice(0, 200) }, { root: true }))
    out.push(event("policy-swapped", what, "info"))
  }

  #keep(out: Out): void {
    const { epoch, lastEpoch, seats, policy, isFallback: fallback, isFallbackAsked } = this.#context
    this.#writes.begin(KEY)
    const kept = { epoch, lastEpoch, policy, seats: seats as unknown as Json, fallback, actionsDone: this.#actionsDone }
    out.push(persist(KEY, isFallbackAsked ? { ...kept, asked: true } : kept))
  }

  onPersisted(key: string, out: Out): void {
    if (key === KEY && this.#writes.end(KEY)) this.repeat(out)
  }

  repeat(out: Out): void {
    if (this.#writes.isPending(KEY)) return
    this.shadow.repeat(out)
    for (const node of this.#waiting) this.#tell(node, out)
  }

  #tell(node: number, out: Out): void {
    const { epoch, policy, isFallback, seats } = this.#context
    const isPlain = seats.length === 1 && seats[0]?.seat === ""
    const told = isPlain ? {} : { seats: seats.map((seat) => ({ ...seat, cpus: seat.cpus === null ? null : [...seat.cpus] })) }
    out.push(send(nodeActor(node), { kind: "PolicySwap", epoch, policy, ...(isFallback && { fallback: true as const }), ...told }, "swap"))
  }

  onSwapped({ node, epoch }: PolicySwapped, out: Out): void {
    if (epoch !== this.#context.epoch || !this.#waiting.delete(node)) return
    if (this.#waiting.size === 0) out.push(closeSpan("swap"))
  }

  onReport(report: NodeReport, out: Out): void {
    this.shadow.onNode(report.node, report.incarnation)
    if (report.epoch < this.#context.epoch && !this.#writes.isPending(KEY)) this.#tell(report.node, out)
  }

  onAsk(now: VirtualTime, from: ActorId, { request, kind: _, ...wish }: SwapAsk, out: Out): void {
    const answer = (state: "begun" | "refused", epoch: number, reason: string): void => {
      const tick = this.#context.ticks.tickAt(now)
      out.push(send(from, { kind: "SwapAnswer", request, epoch, tick, state, reason }))
    }
    const before = this.#answered.get(request)
    if (before !== undefined) return answer("begun", before, "")
    if (this.#context.spec.schedule.compat === "ostep") return answer("refused", this.#context.epoch, "the OSTEP model knows no swap")
    const begun = this.begin(now, wish, out)
    if (typeof begun === "string") return answer("refused", this.#context.epoch, begun)
    this.#answered.set(request, begun)
    if (this.#answered.size > ANSWERED_MAX) this.#answered.delete(this.#answered.keys().next().value as string)
    answer("begun", begun, "")
  }
}

/** Padded: timers that come due at one instant are handled in the order of their keys. */
export function actionTimer(index: number): string {
  return `action/${String(index).padStart(4, "0")}`
}
