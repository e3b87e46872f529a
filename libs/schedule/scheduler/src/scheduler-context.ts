/** What all parts of a scheduler actor share. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect } from "@backplane/foundation-actor/machine"
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { POLICY_NAMES, TICKS_MAX, type MachineSpec, type PolicyName } from "@backplane/scenario-machine/machine-spec"
import { TickClock } from "@backplane/scenario-machine/tick-clock"
import {
  coreOfCpu,
  cpusOfQueue,
  cpusOfSeat,
  layoutOfQueue,
  nodeOfCpu,
  ownSeat,
  queuesOfSeat,
  schedulerActor,
  seatQueue,
  type QueueName,
  type Seat,
} from "@backplane/scenario-machine/topology"
import type { SchedulerFailure } from "@backplane/schedule-contract/failure-messages"
import type {
  NodeUp,
  SchedulerAttach,
  SchedulerCommit,
  SchedulerEvents,
  SchedulerVerdicts,
} from "@backplane/schedule-contract/scheduler-messages"
import type { OfferAnswer, OfferAsk, StealAsk, StealDone, StealNone, StealToken } from "@backplane/schedule-contract/steal-messages"
import type { WastedCoresBug } from "@backplane/schedule-policies/domains/domains"
import type { QueuePolicy, QueuePolicyKind } from "@backplane/schedule-policies/queue-policy"
import { CAPACITY_MAX, powerKindOf } from "@backplane/scenario-machine/power-spec"
import { QUEUE_POLICY } from "@backplane/schedule-policies/queue-policies"

export type SchedulerHears =
  SchedulerEvents | SchedulerVerdicts | NodeUp | StealAsk | StealNone | OfferAsk | OfferAnswer | StealToken | StealDone
export type SchedulerSays =
  SchedulerAttach | SchedulerCommit | StealAsk | StealNone | OfferAsk | OfferAnswer | StealToken | StealDone | SchedulerFailure
export type Out = Effect<SchedulerSays>[]

/** A request without an answer is repeated after so many ticks. */
export const RETRY_TICKS = 2

export class SchedulerContext {
  readonly spec: MachineSpec
  readonly queue: QueueName
  /** Life of this scheduler. */
  readonly generation: number
  readonly ticks: TickClock
  /** CPUs that this queue feeds, ascending: all of the machine's or its own, as far as they are in its seat. */
  cpus: readonly number[]
  /** Who shares the CPUs out together with this one, and which. */
  seat: Seat
  epoch = 1
  policyName: PolicyName
  /** False where the policy of the day has no such queue: then this scheduler has nothing to say. */
  active: boolean

  /** A bug on purpose, to be found: see schedule/policies/domains. */
  readonly planted: WastedCoresBug | null
  /** Decides in every queue, whatever the policy of the day; null: that policy does. */
  readonly #own: QueuePolicyKind | null

  constructor(
    spec: MachineSpec,
    queue: QueueName,
    generation: number,
    { planted, own }: { readonly planted?: WastedCoresBug | undefined; readonly own?: QueuePolicyKind | undefined } = {},
  ) {
    this.planted = planted ?? null
    this.#own = own ?? null
    this.spec = spec
    this.queue = queue
    this.generation = generation
    this.ticks = new TickClock(spec.clock)
    this.cpus = cpusOfQueue(queue, spec.topology.cpus)
    this.policyName = spec.schedule.policy
    this.seat = ownSeat(this.policyName)
    this.active = this.#holdsQueue()
  }

  /** Ticks between two looks for work of an idle CPU that found none. */
  get peekInterval(): number {
    const { peekTicks, sliceTicks } = this.spec.schedule
    return peekTicks === 0 ? sliceTicks : Math.min(peekTicks, sliceTicks)
  }

  get policy(): QueuePolicyKind {
    return this.#own ?? QUEUE_POLICY[this.policyName]
  }

  /** An empty queue under the policy of the day. */
  newQueue(): QueuePolicy {
    const { topology, schedule, seed, power } = this.spec
    const places = this.cpus.map((cpu) => ({
      cpu,
      node: nodeOfCpu(topology, cpu),
      core: coreOfCpu(topology, cpu),
      capacity: powerKindOf(power, cpu).speeds[0]?.capacity ?? CAPACITY_MAX,
    }))
    const settings = { seed, queue: this.queue, cpus: this.cpus, sliceTicks: schedule.sliceTicks, cacheSize: this.spec.cache.size, places }
    return this.policy.create(power === undefined ? settings : { ...settings, power })
  }

  /** The looks of all CPUs take turns, before CPUs are assigned. */
  get usesToken(): boolean {
    const { compat, peekTicks } = this.spec.schedule
    return compat === "ostep" && layoutOfQueue(this.queue) !== "all" && peekTicks > 0 && this.policy.steal === "peek"
  }

  /**
   * With `fallback` no scheduler is wanted: the nodes schedule by themselves for now. A policy that is not ours is a service's: who has a policy
   * of its own may be that service, in the queues of its seat.
   */
  adopt({ epoch, policy, layout, fallback, seat = "", cpus }: NodeUp): void {
    const known = POLICY_NAMES.find((name) => name === policy)
    this.epoch = epoch
    this.policyName = known ?? this.policyName
    this.seat = { ...ownSeat(this.policyName), ...(known === undefined && layout && { layout }), seat, cpus: cpus ?? null }
    this.active = (known !== undefined || this.#own !== null) && fallback !== true && this.#holdsQueue()
    const total = this.spec.topology.cpus
    const own = cpusOfSeat(this.seat, total)
    this.cpus = cpusOfQueue(this.queue, total).filter((cpu) => own.includes(cpu))
  }

  #holdsQueue(): boolean {
    return queuesOfSeat(this.seat, this.spec.topology.cpus).includes(this.queue)
  }

  /** All queues of the policy but this one, in order of CPU. */
  otherQueues(): readonly QueueName[] {
    return queuesOfSeat(this.seat, this.spec.topology.cpus).filter((queue) => queue !== this.queue)
  }

  /** The queue of another CPU under the same policy. */
  queueOf(cpu: number): QueueName {
    return seatQueue(this.seat, cpu)
  }

  peers(): readonly ActorId[] {
    return this.otherQueues().map(schedulerActor)
  }

  laterTicks(now: VirtualTime, ticks: number): VirtualTime {
    return after(now, ticks * this.spec.clock.tickCycles)
  }

  /** A short while: so many messages' time. */
  laterMessages(now: VirtualTime, messages: number): VirtualTime {
    return after(now, messages * this.spec.clock.latencyCycles)
  }

  /** Choices are made ahead, where the machine wants that. */
  get mayPrefetch(): boolean {
    const { prefetch, compat } = this.spec.schedule
    return prefetch === true && compat === "none"
  }

  /** How long a run lasts that begins when a CPU is free. */
  sliceTicksOf(ownTicks: number): number {
    return this.policy.slices === "aligned" ? this.spec.schedule.sliceTicks : Math.min(ownTicks, this.#sliceTicksMost())
  }

  /** When a run that begins now is over: at a multiple of the machine's slice, or after as many ticks as the policy says. */
  sliceEnd(now: VirtualTime, ownTicks: number): VirtualTime {
    const { sliceTicks } = this.spec.schedule
    const tick = this.ticks.tickAt(now)
    if (this.policy.slices === "aligned") return this.ticks.start((Math.floor(tick / sliceTicks) + 1) * sliceTicks)
    return this.ticks.start(tick + Math.min(ownTicks, this.#sliceTicksMost()))
  }

  /** A guest executes a slice at one instant, and the scenario was checked for slices of the machine's length; guests may come later in free mode. */
  #sliceTicksMost(): number {
    const { jobs, clock, schedule } = this.spec
    return clock.mode === "free" || jobs.some(({ guest }) => guest !== undefined) ? schedule.sliceTicks : TICKS_MAX
  }
}
