/** What a VM gives its exit handler: devices, tables under watch, and the firmware that the VMM is to guests without their own. */
import type { BoardEnd } from "@backplane/trap-board/board-types"
import type { LoadAnswer } from "@backplane/trap-devices/address-map/address-map"
import type { Width } from "@backplane/trap-devices/device"
import type { Hypercalls } from "./hypercalls.ts"
import type { PhysicalMap } from "./physical-map.ts"
import type { RegisterWrite } from "./entry.ts"
import type { TableWatch } from "./table-watch.ts"
import type { Vcpu } from "./vcpu.ts"

export type DeviceStoreAnswer =
  | { readonly kind: "done" }
  /** No device there: an access fault in the guest. */
  | { readonly kind: "absent" }
  /** A disk was asked for something. */
  | { readonly kind: "disk" }
  | BoardEnd

/** What of it the guest's own traps and system instructions need. */
export type SystemParts = Pick<VmParts, "memory" | "para" | "sbi">

export interface VmParts {
  readonly tables: TableWatch
  readonly memory: Pick<PhysicalMap, "contains" | "isOut" | "write" | "unshared">
  /** Answers hypercalls; null: the guest has none. */
  readonly para: Hypercalls | null
  loadDevice(address: bigint, width: Width): LoadAnswer
  storeDevice(address: bigint, width: Width, value: bigint): DeviceStoreAnswer
  /** After a store to a watched page: what `tohost` asks for. */
  lookAtHost(): BoardEnd | null
  /** Answers an environment call from S-mode; null for guests that bring firmware of their own. */
  readonly sbi: ((vcpu: Vcpu) => { readonly registers: readonly RegisterWrite[]; readonly end: BoardEnd | null }) | null
}
