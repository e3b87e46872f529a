/** What goes into a VM, and what comes out of a run of it. */
import type { BoardOptions, BoardStop, BootImage } from "@backplane/trap-board/board-types"
import type { MachineClock } from "@backplane/trap-board/machine-clock"
import type { Engine } from "@backplane/compute-contract/engine"
import type { TranslationView } from "@backplane/trap-csr/translation"
import type { VmCapture } from "@backplane/trap-contract/vm-capture"
import type { CostTable } from "./costs.ts"
import type { ExitRecorder } from "./exit-recorder.ts"
import type { HandleExit } from "./handle-exit.ts"
import type { FrameQuota } from "./hypercalls.ts"
import type { MachineFrames } from "./machine-frames.ts"
import type { MachineSwitch } from "./machine-switch.ts"
import type { Paging } from "./physical-map.ts"
import type { Polls } from "./poll-watch.ts"
import type { VmPart } from "./vm-part.ts"
import type { VmMmu } from "./guest-mmu.ts"
import type { VmParts } from "./vm-parts.ts"
import type { WorkMeter } from "./work-meter.ts"

/**
 * `trap`: every privileged instruction exits. `assist`: CSRs and the guest's own traps are served beside the engine. `para`: as `assist`,
 * and the guest may make hypercalls (para.md).
 */
export type VmMode = "trap" | "assist" | "para"

export interface VmOptions extends Omit<BoardOptions, "softwareTlb"> {
  readonly image: BootImage
  readonly vcpus: number
  readonly memoryBytes: number
  readonly mode: VmMode
  /** Absent: `shadow`. */
  readonly mmu?: VmMmu
  /** Who says which vCPU runs: the VM's own turns (`run`), or a scheduler of vCPUs (`runVcpu`). Left out: own turns. */
  readonly turns?: "own" | "scheduled"
  /**
   * Who handles exits: the VM at once, or whoever takes `heldExit` and brings `answerExit`, for which turns must be scheduled. Left out:
   * resident.
   */
  readonly exits?: "resident" | "bus"
  /** With mmu `softtlb`: the VMM remembers what the guest once put into its TLB. */
  readonly secondLevelTlb?: boolean
  /** Share of CPU time among the VMs of one Vmm; absent: 1. */
  readonly weight?: number
  /**
   * Polling loops that only the outside can end (idle-loop.ts). `skip`: their rounds count as executed, and cost the host nothing; a run that
   * may give the CPU away does so. `yield`: runs of single vCPUs do so, too (`polling`). `run`: nobody looks. `give-way`: as `skip`, and a vCPU whose CPU says that it came
   * round in its kernel leaves the rest of its window to its siblings, as if it had waited: the turns are others than on the native board, and so may be the end of
   * a guest of several vCPUs. Absent: `skip`.
   */
  readonly idleLoops?: "skip" | "yield" | "run" | "give-way"
  /** For the ledger's virtual cycles; absent: the modern preset. */
  readonly costs?: CostTable
}

export interface VmPlace {
  readonly engine: Engine
  readonly frames: MachineFrames
  readonly machineSwitch: MachineSwitch
  /** The VM's number; also the owner of its frames. */
  readonly number: number
  readonly quota?: FrameQuota
  /** Where its pages may lie but in frames of its own; absent: nowhere. */
  readonly paging?: Paging
  readonly recorder?: ExitRecorder
  /** Of its node, which bounds runs of its vCPUs by it; absent: one of its own. */
  readonly work?: WorkMeter
  /** It goes on where the VM of this capture left off, instead of booting. */
  readonly restored?: VmCapture
  /** It lies on several nodes, and this is what one has of it. */
  readonly part?: VmPart
  readonly planted?: Planted
}

/** Parts that tests put in the place of right ones, to see their checks fail. */
export interface Planted {
  readonly handler?: (parts: VmParts) => HandleExit
  /** Which address spaces share a shadow tree. */
  readonly keyOf?: (translation: TranslationView) => string
  readonly clock?: MachineClock
}

export type VmStop =
  | BoardStop
  | { readonly kind: "paused" }
  /** Every vCPU waits for a timer, in wfi or in a loop that nothing else can end, and the run was asked to give the CPU away then. */
  | { readonly kind: "waiting" }
  /** The guest asked to give the CPU to others for a turn. */
  | { readonly kind: "yielded" }
  /** Every vCPU that does not wait polls in a loop that only the outside can end, and the run was asked to give the CPU away then. */
  | { readonly kind: "polling" }

/** How much a run may cost the host besides its instructions, by work-meter.ts; absent: as much as it likes. */
export interface WorkLimit {
  readonly work?: number
}

/** Why a vCPU that was run alone stopped. */
export type VcpuStop =
  /** It has cost as much as it might, before its instructions were used up. */
  | { readonly kind: "worked" }
  /** It has left with an exit that is handled elsewhere: `heldExit`. */
  | { readonly kind: "exit" }
  /** It waits for a page or a device of another node (vm-part.ts). */
  | { readonly kind: "away" }
  | Exclude<BoardStop, { kind: "idle" }>
  | { readonly kind: "paused" }
  /** In wfi: `units` of its time until its timer rings, null without one; or stopped until a sibling starts it (null). */
  | { readonly kind: "waiting"; readonly units: number | null }
  /** The guest gave the CPU away for a turn; rather to its vCPU `to` than to another, if it said so. */
  | { readonly kind: "yielded"; readonly to: number | null }
  /**
   * It polls in a loop that only a sibling, a device or its timer can end: `units` of its time until the timer, null without one. Run it again
   * when something happened, or with `waited`: so many instructions of the loop then count as executed. Of rounds in its kernel: run it again after a while.
   */
  | { readonly kind: "polling"; readonly how: Polls; readonly units: number | null }

/** What a run does when every vCPU waits for a timer: goes on to it at once, or leaves the CPU to others. */
export type OnWait = "skip" | "yield"
