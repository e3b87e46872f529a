/** What all parts of the hypervisor share. */
import type { Effect } from "@backplane/foundation-actor/machine"
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type {
  NodeReport,
  PolicySwap,
  PolicySwapped,
  ScheduleAsk,
  SchedulePage,
  TaskAccepted,
  TaskFinished,
  TaskFinishedSeen,
  TaskMoved,
  TaskRejected,
  TaskRevoke,
  TaskSubmit,
} from "@backplane/compute-contract/task-messages"
import type { FrameRelease, FrameReleased, NodeGone, NodeGoneSeen } from "@backplane/memory-contract/memory-messages"
import type { MachineSpec, PolicyName } from "@backplane/scenario-machine/machine-spec"
import { TickClock } from "@backplane/scenario-machine/tick-clock"
import type { SchedulerFailure, SchedulerFault } from "@backplane/schedule-contract/failure-messages"
import type { SwapAnswer, SwapAsk } from "@backplane/trap-contract/operator-messages"
import type { VmFromNode, VmToNode } from "@backplane/trap-contract/vm-messages"
import type { VmAnswering, VmAsking } from "@backplane/trap-contract/vm-operator-messages"

export type HypervisorHears =
  | TaskAccepted
  | TaskRejected
  | TaskFinished
  | TaskMoved
  | NodeReport
  | PolicySwapped
  | SchedulePage
  | FrameReleased
  | NodeGoneSeen
  | SchedulerFailure
  | SchedulerFault
  | SwapAsk
  | VmFromNode
  | VmAsking
export type HypervisorSays =
  TaskSubmit | TaskFinishedSeen | TaskRevoke | PolicySwap | ScheduleAsk | FrameRelease | NodeGone | SwapAnswer | VmToNode | VmAnswering
export type Out = Effect<HypervisorSays>[]

/** A request without an answer is repeated after so many ticks. */
export const RETRY_TICKS = 2
/** How often the hypervisor looks whether all is well. */
export const CHECK_TICKS = 50
/** A node that has not reported for so long is taken to be lost. */
export const SILENCE_TICKS = 200

export class HypervisorContext {
  readonly spec: MachineSpec
  readonly ticks: TickClock
  policy: PolicyName
  epoch = 1
  /** The policy's schedulers are ejected: the nodes schedule by themselves. */
  isFallback = false

  constructor(spec: MachineSpec) {
    this.spec = spec
    this.ticks = new TickClock(spec.clock)
    this.policy = spec.schedule.policy
  }

  laterTicks(now: VirtualTime, ticks: number): VirtualTime {
    return after(now, ticks * this.spec.clock.tickCycles)
  }
}
