/** What all parts of the hypervisor share. */
import type { Effect } from "@backplane/foundation-actor/machine"
import { after, virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type {
  CpuLevels,
  CpuLevelsSeen,
  ShadowReport,
  ShadowSwap,
  ShadowSwapped,
  TaskTune,
  TaskTuned,
} from "@backplane/compute-contract/machine-messages"
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
import type {
  FrameRelease,
  FrameReleased,
  NodeGone,
  NodeGoneSeen,
  SpaceMoved,
  SpaceShared,
} from "@backplane/memory-contract/memory-messages"
import type { MemoryAnswer, SpaceClose } from "@backplane/memory-contract/memory-operator-messages"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { TickClock } from "@backplane/scenario-machine/tick-clock"
import { ownSeat, type Seat } from "@backplane/scenario-machine/topology"
import type { SchedulerFailure, SchedulerFault } from "@backplane/schedule-contract/failure-messages"
import type { CpuAsk, MachineAnswer, SwapAnswer, SwapAsk, TuneAsk } from "@backplane/trap-contract/operator-messages"
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
  | SpaceShared
  | MemoryAnswer
  | SchedulerFailure
  | SchedulerFault
  | SwapAsk
  | CpuAsk
  | TuneAsk
  | ShadowSwapped
  | ShadowReport
  | CpuLevelsSeen
  | TaskTuned
  | VmFromNode
  | VmAsking
export type HypervisorSays =
  | TaskSubmit
  | TaskFinishedSeen
  | TaskRevoke
  | PolicySwap
  | ShadowSwap
  | CpuLevels
  | TaskTune
  | ScheduleAsk
  | FrameRelease
  | NodeGone
  | SpaceMoved
  | SpaceClose
  | SwapAnswer
  | MachineAnswer
  | VmToNode
  | VmAnswering
export type Out = Effect<HypervisorSays>[]

/** A request without an answer is repeated after so many ticks. */
export const RETRY_TICKS = 2
/** Of a job that its node does not take up, at most: a node that has fallen behind must be able to catch up. */
export const RETRY_TICKS_MAX = 64
/** How often the hypervisor looks whether all is well. */
export const CHECK_TICKS = 50
/** A node that has not reported for so long is taken to be lost. */
export const SILENCE_TICKS = 200

export class HypervisorContext {
  readonly spec: MachineSpec
  readonly ticks: TickClock
  /** Who schedules which CPUs: together all of them. */
  seats: readonly Seat[]
  epoch = 1
  /** The highest that was given away: shadows have epochs, too. */
  lastEpoch = 1
  /** CPUs that are off line. */
  offline: ReadonlySet<number> = new Set()
  /** The nodes schedule by themselves: the policy's schedulers are ejected, or somebody asked for it. */
  isFallback = false
  /** Somebody asked for it: then it stays so. */
  isFallbackAsked = false

  constructor(spec: MachineSpec) {
    this.spec = spec
    this.ticks = new TickClock(spec.clock)
    this.seats = [ownSeat(spec.schedule.policy)]
  }

  /** Of the first seat, for people. */
  get policy(): string {
    return this.seats[0]?.policy ?? ""
  }

  /** All of them. */
  get policies(): string {
    return this.seats.map(({ policy, cpus }) => (cpus === null ? policy : `${policy} on ${cpus.join(",")}`)).join("; ")
  }

  /** Of the step under way. */
  now: VirtualTime = virtualTime(0)

  nextEpoch(): number {
    this.lastEpoch = Math.max(this.lastEpoch, this.epoch) + 1
    return this.lastEpoch
  }

  laterTicks(now: VirtualTime, ticks: number): VirtualTime {
    return after(now, ticks * this.spec.clock.tickCycles)
  }
}
