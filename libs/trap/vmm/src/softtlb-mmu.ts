/**
 * The software TLB of one vCPU, virtualised: the guest fills entries with physical pages, the engine's look-up table gets machine frames.
 *
 * Interface and steps: software-tlb.md. Under `satp` modes bare and Sv39 the shadow does the work, as for any guest.
 * E1: engine's look-up table ⊆ the guest's TLB ⊆ what is approved: a page is installed only for an entry that matches now, with the
 * frame of the physical map, and goes when the entry does.
 */
import { defined } from "@backplane/foundation-base/assert"
import { translateByTlb } from "@backplane/trap-csr/tlb-translation"
import { translationOf, type TranslationView } from "@backplane/trap-csr/translation"
import { accessFault } from "./guest-walk.ts"
import { NO_FLUSH, type EngineProtection, type FillResult, type Flush, type GonePage, type GuestMmu, type StageMiss } from "./guest-mmu.ts"
import { PAGE_SHIFT } from "./machine-frames.ts"
import { PageApproval } from "./page-approval.ts"
import type { AccessKind, InstalledTranslation, Translation } from "@backplane/compute-contract/engine"
import type { CsrFile } from "@backplane/trap-csr/csr-file"
import type { FenceScope } from "@backplane/trap-csr/execute-system"
import type { PmpRange } from "@backplane/trap-csr/pmp"
import type { SoftwareTlb } from "@backplane/trap-csr/software-tlb"
import type { PhysicalMap } from "./physical-map.ts"
import type { SecondLevelTlb } from "./second-level-tlb.ts"
import type { Shadow } from "./shadow.ts"
import type { ShadowSpace } from "./shadow-space.ts"

const LOOKED_UP: FillResult = { kind: "looked-up" }
const REMEMBERED: FillResult = { kind: "remembered" }
const NO_INSTALLS: readonly InstalledTranslation[] = []
const FIRST_REFILL = 24
const LAST_REFILL = 26
const ACCESSES = ["load", "fetch"] as const

export class SoftTlbMmu implements GuestMmu {
  readonly #file: CsrFile
  readonly #tlb: SoftwareTlb
  readonly #shadow: Shadow
  readonly #approval: PageApproval
  readonly secondLevel: SecondLevelTlb | null
  #view: TranslationView | null = null
  #translation: Translation | null = null
  #installs: InstalledTranslation[] = []
  /** The page of the entry written last: it goes into the engine's table as soon as the vCPU may use it. */
  #written: bigint | null = null
  #flush: Flush = "all"

  constructor({
    file,
    memory,
    shadow,
    secondLevel,
  }: {
    readonly file: CsrFile
    readonly memory: PhysicalMap
    readonly shadow: Shadow
    readonly secondLevel: SecondLevelTlb | null
  }) {
    this.#file = file
    this.#tlb = defined(file.tlb ?? undefined, "the vCPU has a software TLB")
    this.#tlb.observer = secondLevel
    this.#shadow = shadow
    this.#approval = new PageApproval(memory, file)
    this.secondLevel = secondLevel
  }

  translation(): Translation {
    const view = this.#viewed()
    if (view.mode !== "refill") return this.#shadow.translation()
    this.#translation ??= { ...view, mode: "refill", root: spaceOf(view), fetchPrivilege: 0, dataPrivilege: 0, sum: false, mxr: false }
    return this.#translation
  }

  protection(): EngineProtection {
    const view = this.#viewed()
    return view.mode === "refill" ? this.#approval.protection(view) : this.#shadow.protection()
  }

  pmp(): readonly PmpRange[] {
    return this.#approval.ranges()
  }

  takeFlush(): Flush {
    const [own, shadows] = [this.#flush, this.#shadow.takeFlush()]
    this.#flush = NO_FLUSH
    return own === "all" || shadows === "all" ? "all" : own
  }

  owesFence(): boolean {
    return true
  }

  /** What the guest put into its TLB came from wherever it likes. */
  owes(): boolean {
    return true
  }

  takeFences(): Flush {
    return NO_FLUSH
  }

  servedSpace(): null {
    return null
  }

  takeInstalls(): readonly InstalledTranslation[] {
    if (this.#written !== null) this.#installWritten(this.#written)
    if (this.#installs.length === 0) return NO_INSTALLS
    const installs = this.#installs
    this.#installs = []
    return installs
  }

  moved(): void {
    this.#view = null
    this.#translation = null
    // They were meant for the state that has just been left.
    this.#installs = []
    this.#shadow.moved()
  }

  protectionChanged(): void {
    this.#approval.changed()
    this.#shadow.protectionChanged()
    this.#flush = "all"
  }

  /** An entry was written or dropped: what the engine knew of it goes. */
  tlbChanged(): void {
    this.#forgetDropped()
    const { tag } = this.#tlb
    this.#written = BigInt.asUintN(64, BigInt.asIntN(39, tag & PAGES))
  }

  /** The TLB itself was fenced when the instruction was carried out. */
  fence(scope: FenceScope): void {
    this.#forgetDropped()
    this.#shadow.fence(scope)
  }

  fault(address: bigint, access: AccessKind): FillResult {
    return this.#shadow.fault(address, access)
  }

  miss(address: bigint, access: AccessKind): FillResult {
    const view = this.#viewed()
    // Under MPRV a machine-mode fetch is not translated.
    if ((access === "fetch" ? view.fetchPrivilege : view.dataPrivilege) === 3) return this.#missUntranslated(address, access)
    const found = this.#find(view, address, access)
    if (found.kind === "mapped") return this.#install(view, { address, access, ...found }) ? LOOKED_UP : accessFault(access)
    if (found.cause < FIRST_REFILL || found.cause > LAST_REFILL) return { kind: "fault", cause: found.cause }
    return this.#remember(view, address, access) ?? { kind: "fault", cause: found.cause }
  }

  /** Has the guest's TLB what this access needs? Then only the engine has lost sight of it. */
  knows(address: bigint, access: AccessKind): boolean {
    const view = this.#viewed()
    if ((access === "fetch" ? view.fetchPrivilege : view.dataPrivilege) === 3) return true
    return this.#find(view, address, access).kind === "mapped"
  }

  stageMiss(address: bigint, miss: StageMiss): FillResult {
    return this.#shadow.stageMiss(address, miss)
  }

  pagesGone(gone: readonly GonePage[]): void {
    this.#shadow.pagesGone(gone)
    this.#approval.gone(gone)
    // What was to be handed out may lead there, too: the engine asks again.
    this.#installs = []
    this.#flush = "all"
  }

  dropAll(): void {
    this.#shadow.dropAll()
    this.#approval.forget()
    this.#installs = []
    this.#flush = "all"
  }

  trees(): readonly ShadowSpace[] {
    return this.#shadow.trees()
  }

  spaces(): readonly ShadowSpace[] {
    return this.#shadow.spaces()
  }

  #viewed(): TranslationView {
    this.#view ??= translationOf(this.#file)
    return this.#view
  }

  #find(view: TranslationView, address: bigint, access: AccessKind): ReturnType<typeof translateByTlb> {
    return translateByTlb(this.#tlb, view, { address, access })
  }

  #missUntranslated(address: bigint, access: AccessKind): FillResult {
    const fetch = access === "fetch"
    const wanted = { address, access, page: address >> PAGE_SHIFT, read: !fetch, write: !fetch, execute: fetch }
    return this.#install(this.#viewed(), wanted) ? LOOKED_UP : accessFault(access)
  }

  #remember(view: TranslationView, address: bigint, access: AccessKind): FillResult | null {
    const remembered = this.secondLevel?.look(address, Number(view.root)) ?? null
    if (remembered === null) return null
    this.#tlb.restoreRandom(remembered.tag, remembered.entry)
    this.#forgetDropped()
    const found = this.#find(view, address, access)
    if (found.kind === "fault") return { kind: "fault", cause: found.cause }
    return this.#install(view, { address, access, ...found }) ? REMEMBERED : accessFault(access)
  }

  #install(view: TranslationView, wanted: InstallWanted): boolean {
    const approved = this.#approval.approve(view, wanted, () => this.dropAll())
    if (approved === null) return false
    if (approved.partly) this.#flush = "all"
    const fetch = wanted.access === "fetch"
    this.#installs.push({
      virtualAddress: wanted.address,
      physicalAddress: approved.machinePage << PAGE_SHIFT,
      read: !fetch && approved.read,
      write: !fetch && approved.write,
      execute: fetch && approved.execute,
    })
    return true
  }

  /** So that the return from the handler is the last exit of a miss. Stays noted while the vCPU may not use the page yet. */
  #installWritten(address: bigint): void {
    const view = this.#viewed()
    if (view.mode !== "refill") return
    for (const access of ACCESSES) {
      const found = this.#find(view, address, access)
      if (found.kind !== "mapped") continue
      this.#written = null
      this.#install(view, { address, access, ...found })
    }
  }

  #forgetDropped(): void {
    const dropped = this.#tlb.takeDropped()
    if (dropped === "all" || dropped.some(({ pages }) => pages > 1)) this.#flush = "all"
    else if (dropped.length > 0 && this.#flush !== "all") this.#flush = [...this.#flush, ...dropped.map(({ address }) => address)]
  }
}

interface InstallWanted {
  readonly address: bigint
  readonly access: AccessKind
  readonly page: bigint
  readonly read: boolean
  readonly write: boolean
  readonly execute: boolean
}

const PAGES = 0x7f_ffff_f000n

/** A number for each address space under each privilege, SUM and MXR: what was installed for one must not serve another. */
function spaceOf({ root, fetchPrivilege, dataPrivilege, sum, mxr }: TranslationView): bigint {
  return (root << 8n) | BigInt((fetchPrivilege << 4) | (dataPrivilege << 2) | (sum ? 2 : 0) | (mxr ? 1 : 0))
}
