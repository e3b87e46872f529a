/**
 * What is done about a scheduler that does not do its part: the upper rungs of the ladder of fallback.
 *
 * The first fault of an epoch ejects it, in the tick in which it is told. A policy that took over a short while ago (on probation) gives way
 * to the one before it; any other to the nodes' built-in round robin, and comes back after a while, later each time, until it has been
 * ejected three times: then it is quarantined, and only an operator brings it back. Each ejection leaves an exit record.
 */
import { event, persist, timer } from "@backplane/foundation-actor/effects"
import type { Restored } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Json } from "@backplane/foundation-base/json"
import { POLICY_NAMES, type PolicyName } from "@backplane/scenario-machine/machine-spec"
import type { SchedulerFault } from "@backplane/schedule-contract/failure-messages"
import type { HypervisorContext, Out } from "./hypervisor-context.ts"

/** Slices for which a policy that took over is on probation. */
const PROBATION_SLICES = 20
/** Slices until an ejected policy comes back; doubled with each ejection. */
const BACK_SLICES = 20
/** Ejections after which it does not come back by itself … */
const STRIKES_MAX = 3
/** … unless it did its part for so many slices in between. */
const FORGIVEN_SLICES = 2_000
/** Exit records that are kept. */
const RECORDS_MAX = 16
const KEY = "exits"
export const BACK_TIMER = "policy-back"

export type ExitThen = "previous policy" | "fallback, and back later" | "quarantine"

/** A type, not an interface: only those are JSON by shape. */
export type ExitRecord = Omit<SchedulerFault, "kind"> & {
  readonly exit: number
  readonly then: ExitThen
  /** The policy that schedules next; null: the built-in round robin. */
  readonly next: string | null
}

/** What the ladder can do. */
export interface LadderHost {
  readonly swap: (to: { readonly policy: PolicyName; readonly fallback: boolean; readonly reason: string }, out: Out) => void
}

export class PolicyLadder {
  readonly #context: HypervisorContext
  readonly #host: LadderHost
  /** Epoch of the last fault that was dealt with: the others of that epoch say the same. */
  #dealtEpoch = 0
  #strikes = new Map<string, { count: number; tick: number }>()
  #records: readonly ExitRecord[] = []
  #exits = 0
  /** The policy to return to, and until when. */
  #previous: PolicyName | null = null
  #probationUntilTick = -1
  #backPolicy: PolicyName | null = null

  constructor(context: HypervisorContext, host: LadderHost) {
    this.#context = context
    this.#host = host
  }

  restore(restored: Restored): void {
    const kept = restored.get(KEY)
    if (!Array.isArray(kept)) return
    this.#records = kept as unknown as readonly ExitRecord[]
    this.#exits = Math.max(0, ...this.#records.map(({ exit }) => exit))
    for (const { policy, tick } of this.#records) this.#strike(policy, tick)
  }

  /** Last first. */
  get records(): readonly ExitRecord[] {
    return [...this.#records].reverse()
  }

  get quarantined(): readonly string[] {
    return [...this.#strikes].filter(([, { count }]) => count >= STRIKES_MAX).map(([policy]) => policy)
  }

  /** Somebody asked for this policy: it begins anew, on probation; where it fails, `before` goes on. */
  onSwap(tick: number, policy: PolicyName, before: PolicyName | null): void {
    this.#strikes.delete(policy)
    this.#previous = before === policy ? null : before
    this.#probationUntilTick = tick + PROBATION_SLICES * this.#context.spec.schedule.sliceTicks
    this.#backPolicy = null
  }

  onFault(now: VirtualTime, { kind: _, ...fault }: SchedulerFault, out: Out): void {
    const { epoch, policy, spec, ticks } = this.#context
    if (fault.epoch !== epoch || this.#dealtEpoch === epoch || !this.mayEject) return
    this.#dealtEpoch = epoch
    const tick = ticks.tickAt(now)
    const strikes = this.#strike(policy, tick)
    const returns = this.#previous !== null && tick < this.#probationUntilTick
    const isOut = strikes >= STRIKES_MAX
    const then: ExitThen = returns ? "previous policy" : isOut ? "quarantine" : "fallback, and back later"
    const next = returns ? this.#previous : null
    this.#keep({ ...fault, exit: ++this.#exits, then, next }, out)
    const reason = `${fault.fault}: ${fault.message}`
    out.push(
      event("scheduler-ejected", { "backplane.policy": policy, "backplane.queue": fault.queue, "backplane.reason": reason }, "error"),
    )
    this.#previous = null
    this.#host.swap({ policy: next ?? policy, fallback: next === null, reason }, out)
    if (next !== null || isOut) return
    this.#backPolicy = policy
    out.push(timer(BACK_TIMER, this.#context.laterTicks(now, BACK_SLICES * 2 ** (strikes - 1) * spec.schedule.sliceTicks)))
  }

  /** Whether there is a scheduler to eject. */
  get mayEject(): boolean {
    return !this.#context.isFallback && this.#context.spec.schedule.compat === "none"
  }

  /** All CPUs are idle although this task waits. No single node can know: its own CPUs may be forbidden to the task. */
  onNeglect(now: VirtualTime, task: string, out: Out): void {
    const { epoch, policy, ticks } = this.#context
    const message = `all CPUs are idle and task ${task} waits`
    const fault = { node: 0, epoch, queue: "all", policy, tick: ticks.tickAt(now), fault: "stall", message, lines: [], tasks: [] } as const
    this.onFault(now, { kind: "SchedulerFault", ...fault, lines: [], tasks: [] }, out)
  }

  #strike(policy: string, tick: number): number {
    const before = this.#strikes.get(policy)
    const isForgiven = before !== undefined && tick - before.tick > FORGIVEN_SLICES * this.#context.spec.schedule.sliceTicks
    const count = before === undefined || isForgiven ? 1 : before.count + 1
    this.#strikes.set(policy, { count, tick })
    return count
  }

  #keep(record: ExitRecord, out: Out): void {
    this.#records = [...this.#records, record].slice(-RECORDS_MAX)
    out.push(persist(KEY, this.#records as unknown as Json))
  }

  /** The ejected policy has waited long enough. */
  onTimer(out: Out): void {
    const policy = this.#backPolicy
    this.#backPolicy = null
    if (policy === null || !this.#context.isFallback) return
    this.#probationUntilTick = -1
    out.push(event("scheduler-back", { "backplane.policy": policy, "backplane.epoch": this.#context.epoch + 1 }, "info"))
    this.#host.swap({ policy, fallback: false, reason: "back after an ejection" }, out)
  }

  /** A hypervisor that begins anew while the nodes schedule by themselves. */
  resume(now: VirtualTime, out: Out): void {
    const { isFallback, policy, spec } = this.#context
    if (!isFallback || this.quarantined.includes(policy)) return
    this.#backPolicy = POLICY_NAMES.find((name) => name === policy) ?? null
    out.push(timer(BACK_TIMER, this.#context.laterTicks(now, BACK_SLICES * spec.schedule.sliceTicks)))
  }
}
