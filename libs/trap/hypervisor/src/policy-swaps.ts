/**
 * Changes of policy while the machine runs: one at a time, told to every node until each has changed.
 *
 * A swap is an epoch: what an older epoch's scheduler says is void. A node that begins a new life is told again. Nobody is told before it
 * is on disk: a hypervisor that begins anew would give the same epoch to another policy.
 */
import { closeSpan, event, openSpan, persist, send, timer } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Restored } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { NodeReport, PolicySwapped } from "@backplane/compute-contract/task-messages"
import { FALLBACK, POLICY_NAMES, type PolicyName } from "@backplane/scenario-machine/machine-spec"
import { nodeActor } from "@backplane/scenario-machine/topology"
import type { SwapAsk } from "@backplane/trap-contract/operator-messages"
import { PolicyLadder } from "./policy-ladder.ts"
import type { HypervisorContext, Out } from "./hypervisor-context.ts"
import { Writes } from "./writes.ts"

/** Under which the policy of the day is kept. */
const KEY = "policy"

/** Requests that are remembered, so that a repeat swaps nothing. */
const ANSWERED_MAX = 64

export class PolicySwaps {
  readonly #context: HypervisorContext
  /** Nodes that have not confirmed the current epoch. */
  readonly #waiting = new Set<number>()
  readonly #answered = new Map<string, number>()
  readonly #writes = new Writes()
  readonly ladder: PolicyLadder
  /** Swaps of the scenario that have been begun: an earlier life's are not done again, and what it missed is. */
  #actionsDone = 0

  constructor(context: HypervisorContext) {
    this.#context = context
    this.ladder = new PolicyLadder(context, {
      swap: ({ policy, fallback, reason }, out) => {
        this.#begin({ policy, fallback, reason }, out)
      },
    })
  }

  get isUnderWay(): boolean {
    return this.#waiting.size > 0
  }

  restore(restored: Restored): void {
    this.ladder.restore(restored)
    const kept = restored.get(KEY)
    if (typeof kept !== "object" || kept === null || !("epoch" in kept) || !("policy" in kept)) return
    this.#context.epoch = Number(kept.epoch)
    this.#context.policy = POLICY_NAMES.find((name) => name === kept.policy) ?? this.#context.policy
    this.#context.isFallback = "fallback" in kept && kept.fallback === true
    this.#actionsDone = "actionsDone" in kept ? Number(kept.actionsDone) : 0
    for (let node = 0; node < this.#context.spec.topology.nodes; node++) this.#waiting.add(node)
  }

  /** Sets the timers of the swaps that the scenario asks for. */
  arm(now: VirtualTime, out: Out): void {
    this.ladder.resume(now, out)
    for (const [index, action] of this.#context.spec.actions.entries()) {
      const at = this.#context.ticks.start(action.atTick)
      if (index >= this.#actionsDone) out.push(timer(actionTimer(index), at > now ? at : now))
    }
  }

  /** Number `index` of the scenario's swaps is due. */
  onAction(now: VirtualTime, index: number, out: Out): void {
    const action = this.#context.spec.actions[index]
    if (action === undefined || index < this.#actionsDone) return
    this.#actionsDone = index + 1
    this.begin(now, action.swap, out)
  }

  /** Somebody wants this policy. */
  begin(now: VirtualTime, policy: PolicyName | typeof FALLBACK, out: Out): void {
    const { policy: before, isFallback, ticks } = this.#context
    if (policy === FALLBACK) return this.#begin({ policy: before, fallback: true, reason: "asked for" }, out)
    this.ladder.onSwap(ticks.tickAt(now), policy, isFallback ? null : before)
    this.#begin({ policy, fallback: false, reason: "asked for" }, out)
  }

  #begin(
    { policy, fallback, reason }: { readonly policy: PolicyName; readonly fallback: boolean; readonly reason: string },
    out: Out,
  ): void {
    this.#context.policy = policy
    this.#context.isFallback = fallback
    this.#context.epoch++
    const { epoch, spec } = this.#context
    for (let node = 0; node < spec.topology.nodes; node++) this.#waiting.add(node)
    this.#writes.begin(KEY)
    out.push(persist(KEY, { epoch, policy, fallback, actionsDone: this.#actionsDone }))
    const what = { "backplane.policy": fallback ? "fallback" : policy, "backplane.epoch": epoch }
    out.push(openSpan("swap", "sched.swap", { ...what, "backplane.reason": reason.slice(0, 200) }, { root: true }))
    out.push(event("policy-swapped", what, "info"))
  }

  onPersisted(key: string, out: Out): void {
    if (key === KEY && this.#writes.end(KEY)) this.repeat(out)
  }

  repeat(out: Out): void {
    if (this.#writes.isPending(KEY)) return
    for (const node of this.#waiting) this.#tell(node, out)
  }

  #tell(node: number, out: Out): void {
    const { epoch, policy, isFallback } = this.#context
    out.push(send(nodeActor(node), { kind: "PolicySwap", epoch, policy, ...(isFallback && { fallback: true as const }) }, "swap"))
  }

  onSwapped({ node, epoch }: PolicySwapped, out: Out): void {
    if (epoch !== this.#context.epoch || !this.#waiting.delete(node)) return
    if (this.#waiting.size === 0) out.push(closeSpan("swap"))
  }

  onReport(report: NodeReport, out: Out): void {
    if (report.epoch < this.#context.epoch && !this.#writes.isPending(KEY)) this.#tell(report.node, out)
  }

  onAsk(now: VirtualTime, from: ActorId, { request, policy }: SwapAsk, out: Out): void {
    const known = ([...POLICY_NAMES, FALLBACK] as const).find((name) => name === policy)
    const answer = (state: "begun" | "refused", epoch: number, reason: string): void => {
      out.push(send(from, { kind: "SwapAnswer", request, epoch, state, reason }))
    }
    const before = this.#answered.get(request)
    if (before !== undefined) return answer("begun", before, "")
    if (known === undefined)
      return answer("refused", this.#context.epoch, `there is no policy ${policy}; there are ${[...POLICY_NAMES, FALLBACK].join(", ")}`)
    if (this.#context.spec.schedule.compat === "ostep") return answer("refused", this.#context.epoch, "the OSTEP model knows no swap")
    this.begin(now, known, out)
    this.#answered.set(request, this.#context.epoch)
    if (this.#answered.size > ANSWERED_MAX) this.#answered.delete(this.#answered.keys().next().value as string)
    answer("begun", this.#context.epoch, "")
  }
}

/** Padded: timers that come due at one instant are handled in the order of their keys. */
export function actionTimer(index: number): string {
  return `action/${String(index).padStart(4, "0")}`
}
