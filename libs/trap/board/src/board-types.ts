/** What goes into a board and what comes out of a run. */
import type { TurnOrder } from "./turn-order.ts"
import type { Disk } from "@backplane/trap-devices/virtio-block/disk"
import type { LaterDisk } from "@backplane/trap-devices/virtio-block/later-disk"

/** One piece of the guest's image, at its physical address. */
export interface BootSegment {
  readonly address: bigint
  readonly data: Uint8Array
  /** At least `data.length`; the rest is zero. */
  readonly memoryBytes: bigint
}

/** The shape of compute/image's GuestImage, as far as the board needs it. */
export interface BootImage {
  readonly entry: bigint
  /** `machine`: all harts begin at the entry in M-mode. `supervisor`: hart 0 begins in S-mode, the board answers SBI calls. */
  readonly start: "machine" | "supervisor"
  readonly segments: readonly BootSegment[]
  /** `tohost` and `fromhost`, if the guest ends and speaks through HTIF. */
  readonly symbols: ReadonlyMap<string, bigint>
}

/** Each in a slot of its own behind the disks'. */
export interface VirtioExtras {
  /** A virtio-console: once its driver is ready, console input goes there and not to the UART. */
  readonly console?: boolean
  /** A virtio-rng, and where its bytes come from: exactly as many as asked. Seeded where runs must repeat. */
  readonly entropy?: (bytes: number) => Uint8Array
}

export interface BoardOptions {
  /** Who comes next; left out: by number, in windows of WINDOW_INSTRUCTIONS. Not for a board that is captured. */
  readonly order?: TurnOrder
  /**
   * Harts that go round in their kernel and find nothing to do: `run` on, or `give-way`, which leaves the rest of the window to the others and passes some by
   * (idle-rounds.ts). The turns are others then. Absent: `run`. Not beside `order`, and not for a board that is captured.
   */
  readonly idleRounds?: "run" | "give-way"
  /** By virtio slot. */
  readonly disks?: readonly (Disk | LaterDisk)[]
  /** The kernel's command line, told in the device tree. */
  readonly bootArguments?: string
  /** An initial RAM disk: put into RAM whole, its place told in the device tree. */
  readonly initialRamDisk?: Uint8Array
  /** Virtio devices beside the disks. */
  readonly virtio?: VirtioExtras
  /** Which harts an interrupt source of the PLIC goes to, bit h for hart h; a source that is not named goes to all who enable it. */
  readonly interruptAffinity?: ReadonlyMap<number, number>
  /** The harts have the extension of a software TLB (trap/vmm/software-tlb.md) beside Sv39. Such a board is not captured. */
  readonly softwareTlb?: boolean
  /** Who carries out the usual privileged operations: the CPUs, on an engine whose CPUs can, or this board. The run is the same. */
  readonly served?: "inside" | "outside"
}

/** How a guest ended. `code` is 0 for success. */
export interface BoardEnd {
  readonly kind: "end"
  readonly reason: "finisher" | "tohost" | "shutdown" | "reset"
  readonly code: number
}

export type BoardStop =
  /** As many instructions as asked. */
  | { readonly kind: "budget" }
  | BoardEnd
  /** Every hart waits and no timer is set: only console input can wake one. */
  | { readonly kind: "idle" }
  /** No hart can ever go on: each traps at the very address of its trap handler, or is stopped. */
  | { readonly kind: "stuck"; readonly detail: string }
