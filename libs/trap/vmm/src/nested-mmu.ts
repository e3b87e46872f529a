/**
 * Nested paging for one vCPU: the engine walks the guest's own tables, under the guest's own privilege and PMP, and the second stage after
 * each step. The VMM sees no page fault of the guest and no fill but the first touch of a physical page.
 */
import { assert } from "@backplane/foundation-base/assert"
import { pmpRanges, type PmpRange } from "@backplane/trap-csr/pmp"
import { translationOf } from "@backplane/trap-csr/translation"
import { accessFault } from "./guest-walk.ts"
import {
  NO_FLUSH,
  type EngineProtection,
  type FillResult,
  type Flush,
  type GonePage,
  type GuestMmu,
  type Mapping,
  type StageMiss,
} from "./guest-mmu.ts"
import type { AccessKind, InstalledTranslation, Translation } from "@backplane/compute-contract/engine"
import type { CsrFile } from "@backplane/trap-csr/csr-file"
import type { FenceScope } from "@backplane/trap-csr/execute-system"
import type { SecondStage } from "./second-stage.ts"
import type { ShadowSpace } from "./shadow-space.ts"

const NO_INSTALLS: readonly InstalledTranslation[] = []
const NO_SPACES: readonly ShadowSpace[] = []
const FILLED: FillResult = { kind: "filled" }
/** By access: the engine has looked at the guest's tables already. */
const CAUSES: Readonly<Record<AccessKind, number>> = { fetch: 12, load: 13, store: 15 }

export class NestedMmu implements GuestMmu {
  readonly #file: CsrFile
  readonly #stage: SecondStage
  #translation: Translation | null = null
  #protection: EngineProtection & { readonly regions: readonly PmpRange[] }
  #flush: Flush = "all"
  #fences: Flush = NO_FLUSH

  constructor({ file, stage }: { readonly file: CsrFile; readonly stage: SecondStage }) {
    this.#file = file
    this.#stage = stage
    this.#protection = { regions: pmpRanges(file), denyUnmatched: true }
    stage.observe(() => (this.#flush = "all"))
  }

  translation(): Translation {
    this.#translation ??= { ...translationOf(this.#file), secondStage: this.#stage.root }
    return this.#translation
  }

  protection(): EngineProtection {
    return this.#protection
  }

  pmp(): readonly PmpRange[] {
    return this.#protection.regions
  }

  takeFlush(): Flush {
    const flush = this.#flush
    this.#flush = NO_FLUSH
    return flush
  }

  takeFences(): Flush {
    const fences = this.#fences
    this.#fences = NO_FLUSH
    return fences
  }

  /** The CPU reads it off its own state. */
  servedSpace(): null {
    return null
  }

  takeInstalls(): readonly InstalledTranslation[] {
    return NO_INSTALLS
  }

  moved(): void {
    this.#translation = null
  }

  protectionChanged(): void {
    this.#protection = { regions: pmpRanges(this.#file), denyUnmatched: true }
  }

  tlbChanged(): void {
    assert(false, "a guest under nested paging has no software TLB")
  }

  fence({ address }: FenceScope): void {
    if (this.#fences === "all") return
    this.#fences = address === null ? "all" : [...this.#fences, address]
  }

  owesFence(): boolean {
    return true
  }

  /** What the engine's CPU has looked up is not known here. */
  owes(): boolean {
    return true
  }

  /** The guest's own tables said no. */
  fault(_address: bigint, access: AccessKind): FillResult {
    return { kind: "fault", cause: CAUSES[access] }
  }

  miss(_address: bigint, access: AccessKind): FillResult {
    assert(false, "nested tables are walked by the engine")
    return accessFault(access)
  }

  stageMiss(address: bigint, { access, write }: StageMiss): FillResult {
    return this.#stage.fill(address, write) ? FILLED : accessFault(access)
  }

  pagesGone(gone: readonly GonePage[]): void {
    this.#stage.pagesGone(gone)
  }

  /** The second stage belongs to the VM, which takes it down (vm.ts). */
  dropAll(): void {
    this.#flush = "all"
  }

  trees(): readonly { readonly root: bigint; entries(): Iterable<Mapping> }[] {
    return [this.#stage]
  }

  spaces(): readonly ShadowSpace[] {
    return NO_SPACES
  }
}
