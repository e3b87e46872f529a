/**
 * How one vCPU's addresses become machine addresses: the face that shadow tables, the software TLB and nested paging have in common.
 *
 * The engine is never called from here: what it must be told is asked for before each entry (machine-switch.ts). Variants: shadow.ts,
 * softtlb-mmu.ts, nested-mmu.ts.
 */
import type { AccessKind, InstalledTranslation, ProtectionRegion, Translation } from "@backplane/compute-contract/engine"
import type { PmpRange } from "@backplane/trap-csr/pmp"
import type { FenceScope } from "@backplane/trap-csr/execute-system"
import type { ShadowSpace } from "./shadow-space.ts"

export const MMUS = ["shadow", "softtlb", "nested"] as const
export type VmMmu = (typeof MMUS)[number]

export type FillResult =
  /** The engine finds it now, or after what `takeInstalls` gives. */
  | { readonly kind: "filled" }
  /** The software TLB had it all the time: only the engine had lost sight of it. */
  | { readonly kind: "looked-up" }
  /** The second level of the software TLB had it. */
  | { readonly kind: "remembered" }
  /** The guest's own exception. */
  | { readonly kind: "fault"; readonly cause: number }

export interface EngineProtection {
  readonly regions: readonly ProtectionRegion[]
  readonly denyUnmatched: boolean
}

/** Nothing is left to the engine. Also what an engine has before it is told anything. */
export const OPEN: EngineProtection = { regions: [], denyUnmatched: false }

/** What the engine's look-up TLB must forget. */
export type Flush = "all" | readonly bigint[]
export const NO_FLUSH: Flush = []

/** What the access was, and whether the entry must allow a store: the access itself, or an A or D bit of its walk. */
export interface StageMiss {
  readonly access: AccessKind
  readonly write: boolean
}

/** A physical page and the machine page that it no longer lies in, or may no longer be written there. */
export interface GonePage {
  readonly page: bigint
  readonly frame: bigint
}

export interface Mapping {
  readonly address: bigint
  readonly machinePage: bigint
  readonly write: boolean
}

export interface GuestMmu {
  /** What the engine is told before the vCPU runs: the same object as long as nothing has changed. */
  translation(): Translation
  protection(): EngineProtection
  takeFlush(): Flush
  /** What the guest has fenced of the engine's own look-ups; tables that nobody wrote are still what they were. */
  takeFences(): Flush
  /** For a CPU that goes between translations by itself: the guest's state that the present one stands for, valid as long as `generation` is the same. Null: it must ask. */
  servedSpace(): { readonly from: Translation; readonly generation: number } | null
  /** Pages for the engine's look-up table; handed out once. */
  takeInstalls(): readonly InstalledTranslation[]
  /** The guest's PMP as it is now. */
  pmp(): readonly PmpRange[]
  /** Privilege, `satp` or a field of `mstatus` that translation looks at may have changed. */
  moved(): void
  protectionChanged(): void
  /** A CSR of the software TLB was written. */
  tlbChanged(): void
  fence(scope: FenceScope): void
  /** Would a fence by this vCPU change anything? Where it is not known, true. */
  owesFence(): boolean
  /** May something that came from an earlier content of this page of tables still be in use, for want of a fence? */
  owes(table: bigint): boolean
  /** The engine raised a page fault. */
  fault(address: bigint, access: AccessKind): FillResult
  /** The engine left with `tlb-miss`. */
  miss(address: bigint, access: AccessKind): FillResult
  /** The engine left with `stage-miss` for a physical address. */
  stageMiss(address: bigint, miss: StageMiss): FillResult
  /** Physical pages have left their frames: nothing may lead there any more. */
  pagesGone(gone: readonly GonePage[]): void
  dropAll(): void
  /** For audits and counts: the trees that the engine may walk, by the machine page of the root, with all their leaves. */
  trees(): readonly { readonly root: bigint; entries(): Iterable<Mapping> }[]
  /** The shadow trees, where there are any. */
  spaces(): readonly ShadowSpace[]
}
