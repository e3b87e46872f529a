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
import { seatOfQueue, type Seat } from "@backplane/scenario-machine/topology"
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

export type ExitThen = "previous policy" | "other policy" | "fallback, and back later" | "quarantine"

/** A type, not an interface: only those are JSON by shape. */
export type ExitRecord = Omit<SchedulerFault, "kind"> & {
  readonly exit: number
  readonly then: ExitThen
  /** The policy that schedules next; null: the built-in round robin. */
  readonly next: string | null
}

/** What the ladder can do. */
export interface LadderHost {
  readonly swap: (to: { readonly seats: readonly Seat[]; readonly fallback: boolean; readonly reason: string }, out: Out) => void
}

export class PolicyLadder {
  readonly #context: HypervisorContext
  readonly #host: LadderHost
  /** Epoch of the last fault that was dealt with: the others of that epoch say the same. */
  #dealtEpoch = 0
  #strikes = new Map<string, { count: number; tick: number }>()
  #records: readonly ExitRecord[] = []
  #exits = 0
  /** Who scheduled before, to return to, and until when. */
  #previous: readonly Seat[] | null = null
  #probationUntilTick = -1
  #back: readonly Seat[] | null = null

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

  /** Somebody asked for these: they begin anew, on probation; where one fails, those before go on. */
  onSwap(tick: number, seats: readonly Seat[], before: readonly Seat[] | null): void {
    for (const { policy } of seats) this.#strikes.delete(policy)
    this.#previous = before !== null && namesOf(before) === namesOf(seats) ? null : before
    this.#probationUntilTick = tick + PROBATION_SLICES * this.#context.spec.schedule.sliceTicks
    this.#back = null
  }

  /** Somebody asked that the nodes schedule by themselves: nobody comes back from an ejection then. */
  onFallback(): void {
    this.#previous = null
    this.#back = null
  }

  /** The seat that is at fault. The whole machine's standing still is counted against the first. */
  #faulty(queue: string): Seat {
    const { seats } = this.#context
    return seats.find(({ seat }) => seat === seatOfQueue(queue)) ?? (seats[0] as Seat)
  }

  onFault(now: VirtualTime, { kind: _, ...fault }: SchedulerFault, out: Out): void {
    const { epoch, seats, spec, ticks } = this.#context
    if (fault.epoch !== epoch || this.#dealtEpoch === epoch || !this.mayEject) return
    this.#dealtEpoch = epoch
    const tick = ticks.tickAt(now)
    const { policy, seat } = this.#faulty(fault.queue)
    const strikes = this.#strike(policy, tick)
    const isOut = strikes >= STRIKES_MAX
    const next = this.#nextAfter(tick, seat)
    const then: ExitThen =
      next !== null ? (seats.length > 1 ? "other policy" : "previous policy") : isOut ? "quarantine" : "fallback, and back later"
    this.#keep({ ...fault, exit: ++this.#exits, then, next: next === null ? null : namesOf(next) }, out)
    const reason = `${fault.fault}: ${fault.message}`
    out.push(
      event("scheduler-ejected", { "backplane.policy": policy, "backplane.queue": fault.queue, "backplane.reason": reason }, "error"),
    )
    this.#previous = null
    this.#host.swap({ seats: next ?? seats, fallback: next === null, reason }, out)
    if (next !== null || isOut) return
    this.#back = seats
    out.push(timer(BACK_TIMER, this.#context.laterTicks(now, BACK_SLICES * 2 ** (strikes - 1) * spec.schedule.sliceTicks)))
  }

  /** On probation: those before. Of two policies the other has all CPUs. Otherwise the nodes schedule by themselves. */
  #nextAfter(tick: number, faulty: string): readonly Seat[] | null {
    if (this.#previous !== null && tick < this.#probationUntilTick) return this.#previous
    const other = this.#context.seats.find(({ seat }) => seat !== faulty)
    return other === undefined ? null : [{ ...other, cpus: null }]
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
    const seats = this.#back
    this.#back = null
    if (seats === null || !this.#context.isFallback) return
    this.#probationUntilTick = -1
    out.push(event("scheduler-back", { "backplane.policy": namesOf(seats), "backplane.epoch": this.#context.epoch + 1 }, "info"))
    this.#host.swap({ seats, fallback: false, reason: "back after an ejection" }, out)
  }

  /** A hypervisor that begins anew while the nodes schedule by themselves. */
  resume(now: VirtualTime, out: Out): void {
    const { isFallback, isFallbackAsked, policy, spec } = this.#context
    if (!isFallback || isFallbackAsked || this.quarantined.includes(policy)) return
    this.#back = this.#context.seats
    out.push(timer(BACK_TIMER, this.#context.laterTicks(now, BACK_SLICES * spec.schedule.sliceTicks)))
  }
}

function namesOf(seats: readonly Seat[]): string {
  return seats.map(({ policy, cpus }) => (cpus === null ? policy : `${policy} on ${cpus.join(",")}`)).join("; ")
}
