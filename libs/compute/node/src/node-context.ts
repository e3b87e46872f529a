/** What all parts of a node share: who it is, how the machine is shaped, and how it says things. */
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Effect } from "@backplane/foundation-actor/machine"
import type { SchedulerFault } from "@backplane/schedule-contract/failure-messages"
import type {
  ChannelAsk,
  ChannelLevels,
  ChannelLevelsSeen,
  FallbackAsk,
  FallbackOffer,
  NodeReport,
  PolicySwap,
  PolicySwapped,
  ScheduleAsk,
  SchedulePage,
  TaskAccepted,
  TaskFetch,
  TaskFetchRefusal,
  TaskFinished,
  TaskFinishedSeen,
  TaskInput,
  TaskInputTaken,
  TaskMoved,
  TaskReceived,
  TaskRejected,
  TaskRevoke,
  TaskState,
  TaskSubmit,
} from "@backplane/compute-contract/task-messages"
import type {
  CpuLevels,
  CpuLevelsSeen,
  ShadowReport,
  ShadowSwap,
  ShadowSwapped,
  TaskTune,
  TaskTuned,
} from "@backplane/compute-contract/machine-messages"
import type { CoherenceMessage } from "@backplane/memory-contract/coherence-messages"
import type {
  FrameLeaseAsk,
  FrameLeaseGrant,
  FrameLeaseRefusal,
  FrameRelease,
  FrameReleased,
  LeaseReport,
  MemoryUp,
} from "@backplane/memory-contract/memory-messages"
import { POLICY_NAMES, type MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { TickClock } from "@backplane/scenario-machine/tick-clock"
import {
  cpusOfNode,
  cpusOfQueue,
  cpusOfSeat,
  ownSeat,
  queuesOfSeat,
  seatOfQueue,
  seatQueue,
  type QueueName,
  type Seat,
} from "@backplane/scenario-machine/topology"
import type {
  NodeUp,
  SchedulerAttach,
  SchedulerCommit,
  SchedulerEvents,
  SchedulerVerdicts,
} from "@backplane/schedule-contract/scheduler-messages"
import type { BlockAsk, BlockTold } from "@backplane/trap-contract/disk-messages"
import type { VmPages } from "@backplane/trap-contract/vm-host"
import type { VmFromNode, VmToNode, VmToPeer } from "@backplane/trap-contract/vm-messages"
import { TaskWorks, type TaskEngines } from "./task-works.ts"

export type NodeHears =
  | TaskSubmit
  | TaskFinishedSeen
  | TaskRevoke
  | TaskFetch
  | TaskState
  | TaskFetchRefusal
  | TaskReceived
  | ChannelLevels
  | ChannelLevelsSeen
  | ChannelAsk
  | TaskInput
  | FallbackAsk
  | FallbackOffer
  | PolicySwap
  | ShadowSwap
  | CpuLevels
  | TaskTune
  | VmPages
  | ScheduleAsk
  | SchedulerAttach
  | SchedulerCommit
  | FrameLeaseGrant
  | FrameLeaseRefusal
  | FrameReleased
  | MemoryUp
  | VmToNode
  | BlockTold

export type NodeSays =
  | TaskAccepted
  | TaskRejected
  | TaskFinished
  | TaskMoved
  | TaskFetch
  | TaskState
  | TaskFetchRefusal
  | TaskReceived
  | ChannelLevels
  | ChannelLevelsSeen
  | ChannelAsk
  | TaskInputTaken
  | FallbackAsk
  | FallbackOffer
  | SchedulerFault
  | NodeReport
  | PolicySwapped
  | ShadowSwapped
  | ShadowReport
  | CpuLevelsSeen
  | TaskTuned
  | SchedulePage
  | SchedulerEvents
  | SchedulerVerdicts
  | NodeUp
  | FrameLeaseAsk
  | FrameRelease
  | LeaseReport
  | CoherenceMessage
  | VmFromNode
  | VmToPeer
  | BlockAsk

export type Out = Effect<NodeSays>[]

/** A request without an answer is repeated after so many ticks. */
export const RETRY_TICKS = 2
/** Of what the hypervisor has not confirmed: it may have fallen behind, and copies would keep it there. */
export const RETRY_TICKS_MAX = 64
/** A node states what it holds this often: the hypervisor's heartbeat. */
export const REPORT_TICKS = 50

export class NodeContext {
  readonly spec: MachineSpec
  readonly node: number
  /** Life of this node: what an earlier one knew is gone. */
  readonly incarnation: number
  readonly ticks: TickClock
  /** CPUs of this node, ascending. */
  readonly cpus: readonly number[]
  /** What the tasks that lie here are run with. */
  readonly works: TaskWorks
  /** Grows with each change of policy. */
  epoch = 1
  /** Name of the policy of the first seat. */
  get policy(): string {
    return this.seats[0]?.policy ?? ""
  }
  /** Who schedules which CPUs: together all of them. */
  seats: readonly Seat[]
  /** CPUs of the machine that are off line, and the generation of that. */
  offline: ReadonlySet<number> = new Set()
  topology = 0
  /** The policy's schedulers are ejected: this node schedules by itself. */
  isFallback = false
  /** Until then the schedulers of a policy that has just taken over are watched more closely. */
  probationUntilTick = -1

  constructor(
    { spec, node, incarnation }: { readonly spec: MachineSpec; readonly node: number; readonly incarnation: number },
    engines: TaskEngines,
  ) {
    this.works = new TaskWorks(engines)
    this.spec = spec
    this.node = node
    this.incarnation = incarnation
    this.ticks = new TickClock(spec.clock)
    const { from, to } = cpusOfNode(spec.topology, node)
    this.cpus = Array.from({ length: to - from }, (_, index) => from + index)
    this.seats = [ownSeat(spec.schedule.policy)]
  }

  /** How things stand, for the scheduler of a queue. */
  nodeUp(queue: QueueName): NodeUp {
    const { epoch, node, incarnation } = this
    return {
      kind: "NodeUp",
      epoch,
      node,
      incarnation,
      ...tellSeat(this.#seatFor(queue)),
      ...(this.isFallback && { fallback: true as const }),
    }
  }

  /** The seat that has the queue; where none has, how the machine's own stands, or the one that has its CPUs. */
  #seatFor(queue: QueueName): Seat {
    const name = seatOfQueue(queue)
    return this.seats.find(({ seat }) => seat === name) ?? (this.seats[0] as Seat)
  }

  /** The policy that schedules a queue. */
  policyOf(queue: QueueName): string {
    return this.#seatFor(queue).policy
  }

  queueOf(cpu: number): QueueName {
    const seat = this.seats.length === 1 ? this.seats[0] : this.seats.find(({ cpus }) => cpus === null || cpus.includes(cpu))
    return seatQueue(seat as Seat, cpu)
  }

  /** All queues of the policies of the day. */
  queues(): readonly QueueName[] {
    return this.seats.flatMap((seat) => queuesOfSeat(seat, this.spec.topology.cpus))
  }

  /** The CPUs of a queue, those off line among them. */
  cpusOf(queue: QueueName): readonly number[] {
    const cpus = cpusOfQueue(queue, this.spec.topology.cpus)
    return this.seats.length === 1 ? cpus : cpus.filter((cpu) => cpusOfSeat(this.#seatFor(queue), this.spec.topology.cpus).includes(cpu))
  }

  isOnline(cpu: number): boolean {
    return !this.offline.has(cpu)
  }

  /** Whether a CPU of the queue that is on line may run it. */
  mayLieIn(affinity: readonly number[], queue: QueueName): boolean {
    return this.cpusOf(queue).some((cpu) => this.isOnline(cpu) && (affinity.length === 0 || affinity.includes(cpu)))
  }

  laterTicks(now: VirtualTime, ticks: number): VirtualTime {
    return after(now, ticks * this.spec.clock.tickCycles)
  }

  /** True when a request sent at `sentAt` has waited long enough for a repeat. */
  isOverdue(now: VirtualTime, sentAt: VirtualTime): boolean {
    return now - sentAt >= RETRY_TICKS * this.spec.clock.tickCycles
  }
}

/** A seat, as a NodeUp names it: the fields that say nothing new are left out. */
export function tellSeat({ seat, policy, layout, cpus }: Seat): Pick<NodeUp, "policy" | "seat" | "layout" | "cpus"> {
  const isOurs = POLICY_NAMES.some((name) => name === policy)
  return { policy, ...(seat !== "" && { seat }), ...(!isOurs && { layout }), ...(cpus !== null && { cpus: [...cpus] }) }
}
