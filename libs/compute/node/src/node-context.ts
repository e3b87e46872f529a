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
import type { PagesAsk, PagesReport } from "@backplane/memory-contract/coherence-messages"
import type {
  FrameLeaseAsk,
  FrameLeaseGrant,
  FrameLeaseRefusal,
  FrameRelease,
  FrameReleased,
  LeaseReport,
  MemoryUp,
} from "@backplane/memory-contract/memory-messages"
import type { MachineSpec, PolicyName } from "@backplane/scenario-machine/machine-spec"
import { TickClock } from "@backplane/scenario-machine/tick-clock"
import { cpusOfNode, queueOfCpu, queuesOf, type QueueName } from "@backplane/scenario-machine/topology"
import type {
  NodeUp,
  SchedulerAttach,
  SchedulerCommit,
  SchedulerEvents,
  SchedulerVerdicts,
} from "@backplane/schedule-contract/scheduler-messages"
import type { BlockAsk, BlockTold } from "@backplane/trap-contract/disk-messages"
import type { VmFromNode, VmToNode } from "@backplane/trap-contract/vm-messages"
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
  | PagesAsk
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
  | SchedulePage
  | SchedulerEvents
  | SchedulerVerdicts
  | NodeUp
  | FrameLeaseAsk
  | FrameRelease
  | LeaseReport
  | PagesReport
  | VmFromNode
  | BlockAsk

export type Out = Effect<NodeSays>[]

/** A request without an answer is repeated after so many ticks. */
export const RETRY_TICKS = 2
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
  policy: PolicyName
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
    this.policy = spec.schedule.policy
  }

  /** How things stand, for schedulers. */
  nodeUp(): NodeUp {
    const { epoch, node, incarnation, policy } = this
    return { kind: "NodeUp", epoch, node, incarnation, policy, ...(this.isFallback && { fallback: true as const }) }
  }

  queueOf(cpu: number): QueueName {
    return queueOfCpu(this.policy, cpu)
  }

  /** All queues of the policy of the day. */
  queues(): readonly QueueName[] {
    return queuesOf(this.policy, this.spec.topology.cpus)
  }

  laterTicks(now: VirtualTime, ticks: number): VirtualTime {
    return after(now, ticks * this.spec.clock.tickCycles)
  }

  /** True when a request sent at `sentAt` has waited long enough for a repeat. */
  isOverdue(now: VirtualTime, sentAt: VirtualTime): boolean {
    return now - sentAt >= RETRY_TICKS * this.spec.clock.tickCycles
  }
}
