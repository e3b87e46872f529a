/** What a node's VMs need that belongs to other subsystems: the app that makes a node joins it. */
import type { Engine, EngineOptions } from "@backplane/compute-contract/engine"
import type { SwapStore } from "@backplane/trap-vmm/frame-swap"
import type { ExitMemory } from "@backplane/trap-vmm/exit-recorder"
import type { BootImage } from "@backplane/trap-board/board-types"
import type { Spaces } from "./space-port.ts"

export interface HostParts {
  /** An engine that nobody used before. */
  readonly makeEngine: (options: EngineOptions) => Engine
  /** Reads an image for a machine with so much RAM, or says in one line why it cannot be. */
  readonly readImage: (file: Uint8Array, memoryBytes: number) => BootImage | { readonly refusal: string }
  /** UTF-8, with replacement characters for what is none. */
  readonly decodeText: (bytes: Uint8Array) => string
  /** Keeps the last exits of one VM (foundation/telemetry's trap ring); absent: nobody does. */
  readonly makeRing?: () => ExitMemory
  /** Keeps pages of VMs that have no frame, for so many; a scenario that asks for such room needs it. */
  readonly makeSwap?: (slots: number) => SwapStore
  /** Memory that this node's VMs share with other nodes; absent: no VM lies on several. */
  readonly makeSpaces?: () => Spaces
  /** SHA-256 as 64 hexadecimal digits. */
  readonly digest: (bytes: Uint8Array) => string
}
