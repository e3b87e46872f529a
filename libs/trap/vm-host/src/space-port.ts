/** What a node's part of a VM needs of the pages that it shares with other nodes: given in by the app that joins both (memory/agent's `SpaceMember`). */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { SpanEffect, EventEffect, PersistEffect } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { FrameRights } from "@backplane/compute-contract/engine"
import type { PageMessage, PagesAdvice, PagesAsk, PagesGone, PagesReport, PagesRun } from "@backplane/memory-contract/coherence-messages"
import type { VmPaging } from "@backplane/trap-contract/vm-host"

export type SpacePages = PagesReport["spaces"][number]

/** Memory of the node, by page of the guest's RAM. `setRights` returns when no CPU of the node can do more any longer. */
export interface SpaceMemory {
  read(page: number): Uint8Array
  write(page: number, bytes: Uint8Array): void
  setRights(page: number, rights: FrameRights): void
}

export interface SpaceOptions {
  readonly space: string
  readonly pages: number
  readonly now: VirtualTime
  /** Nodes of the VM, in its order. */
  readonly members: readonly number[]
  readonly memory: SpaceMemory
  /** Who waits for the page may try again. */
  readonly onChange: (page: number) => void
  /** It will not come. */
  readonly onRefused: (page: number, reason: string) => void
}

export interface SpacePort {
  at(now: VirtualTime): void
  /** An instruction left for want of the page. True: it may go on. */
  access(page: number, exit: { readonly access: string; readonly write: boolean; readonly instruction: number }): boolean
  /** A device is to read and write it. True: it may. */
  accessForDevice(page: number): boolean
  /** Instructions that these were brought for have retired: they are kept for a moment. */
  hold(pages: Iterable<number>): void
  /** Pages go whose moment is over. When the next one's is, if nothing changes; null: none is held. */
  letGo(vcpus: { readonly goOn: boolean; readonly wait: boolean }): number | null
  /** What these were brought for has been done, and they may go. */
  retired(pages: Iterable<number>): void
  hear(from: ActorId, body: PageMessage | PagesRun | PagesGone | PagesAdvice): void
  asked(from: ActorId, ask: PagesAsk): SpacePages | null
  onTimer(): void
  counts(): { readonly getS: number; readonly getM: number; readonly taken: number; readonly repeats: number }
  /** What there is to say, since it was asked last. */
  takeEffects(): readonly (VmPaging | SpanEffect | EventEffect | PersistEffect)[]
}

/** Both of one node. */
export interface Spaces {
  open(options: SpaceOptions): SpacePort
  reports(epoch: number, spaces: readonly SpacePages[]): readonly PagesReport[]
}
