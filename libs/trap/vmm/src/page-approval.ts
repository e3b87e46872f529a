/**
 * What the VMM allows of a mapping that the guest made: which frame, and what the guest's PMP leaves of its permissions. Pages that a PMP
 * entry ends in go to the engine, which checks them by the byte. Used by shadow tables and by the software TLB.
 */
import { assert } from "@backplane/foundation-base/assert"
import { pmpRanges, type PmpRange } from "@backplane/trap-csr/pmp"
import { isDevicePage } from "./shadow-space.ts"
import { OPEN, type EngineProtection, type GonePage } from "./guest-mmu.ts"
import { pageVerdict, partialRegions, type PageVerdict, type PartialPage } from "./page-protection.ts"
import type { AccessKind } from "@backplane/compute-contract/engine"
import type { CsrFile } from "@backplane/trap-csr/csr-file"
import type { TranslationView } from "@backplane/trap-csr/translation"
import type { PhysicalMap } from "./physical-map.ts"

export interface Approved {
  readonly machinePage: bigint
  readonly read: boolean
  readonly write: boolean
  readonly execute: boolean
  /** The engine must be told of `protection` anew, and has forgotten everything then. */
  readonly partly: boolean
}

export interface Wanted {
  readonly page: bigint
  readonly access: AccessKind
  readonly read: boolean
  readonly write: boolean
  readonly execute: boolean
}

export class PageApproval {
  readonly #memory: PhysicalMap
  readonly #file: CsrFile
  #ranges: readonly PmpRange[]
  #partial = new Map<bigint, PartialPage>()
  /** What the engine was told, for which privileges. */
  #told: { readonly protection: EngineProtection; readonly key: string } | null = null

  constructor(memory: PhysicalMap, file: CsrFile) {
    this.#memory = memory
    this.#file = file
    this.#ranges = pmpRanges(file)
  }

  ranges(): readonly PmpRange[] {
    return this.#ranges
  }

  /** The guest wrote a PMP register: all that was approved, was under the old ones. */
  changed(): void {
    this.#ranges = pmpRanges(this.#file)
    this.forget()
  }

  forget(): void {
    if (this.#partial.size === 0) return
    this.#partial = new Map()
    this.#told = null
  }

  /** Null: an access fault. `onFull`: there are too many partial pages for the engine, all else is to be forgotten. */
  approve(translation: TranslationView, wanted: Wanted, onFull: () => void): Approved | null {
    const verdicts = this.#verdicts(wanted.page, translation)
    if (verdicts[wanted.access] === "denied") return null
    const machinePage = isDevicePage(wanted.page) ? wanted.page : this.#frameFor(wanted)
    // Code is fetched from memory only.
    if (machinePage === null || (wanted.access === "fetch" && isDevicePage(machinePage))) return null
    const partly = verdicts.fetch === "partly" || verdicts.load === "partly" || verdicts.store === "partly"
    if (partly) this.#note({ physical: wanted.page, machine: machinePage }, translation, onFull)
    return {
      machinePage,
      read: wanted.read && verdicts.load !== "denied",
      write: wanted.write && verdicts.store !== "denied" && !this.#memory.isShared(wanted.page),
      execute: wanted.execute && verdicts.fetch !== "denied" && !isDevicePage(machinePage),
      partly,
    }
  }

  /** What was noted of these pages holds for frames that they have left. */
  gone(gone: readonly GonePage[]): void {
    const left = new Map(this.#partial)
    for (const { page } of gone) left.delete(page)
    if (left.size === this.#partial.size) return
    this.#partial = left
    this.#told = null
  }

  /** What the engine must check by the byte while this vCPU is on it. */
  protection({ fetchPrivilege, dataPrivilege }: TranslationView): EngineProtection {
    if (this.#partial.size === 0) return OPEN
    const key = `${fetchPrivilege} ${dataPrivilege}`
    if (this.#told?.key === key) return this.#told.protection
    const regions = partialRegions(this.#ranges, { pages: [...this.#partial.values()], privileges: { fetchPrivilege, dataPrivilege } })
    assert(regions !== null, "partial pages are few enough for the engine")
    const protection = { regions, denyUnmatched: false }
    this.#told = { protection, key }
    return protection
  }

  /** A store wants a frame that is the guest's alone. */
  #frameFor({ page, access }: Wanted): bigint | null {
    return access === "store" ? this.#memory.writablePage(page) : this.#memory.machinePage(page)
  }

  #verdicts(page: bigint, { fetchPrivilege, dataPrivilege }: TranslationView): Readonly<Record<AccessKind, PageVerdict>> {
    const verdict = (access: "read" | "write" | "execute", privilege: typeof dataPrivilege): PageVerdict =>
      pageVerdict(this.#ranges, { page, access, privilege })
    return { fetch: verdict("execute", fetchPrivilege), load: verdict("read", dataPrivilege), store: verdict("write", dataPrivilege) }
  }

  #note(page: PartialPage, privileges: TranslationView, onFull: () => void): void {
    if (this.#partial.has(page.physical)) return
    const more = new Map(this.#partial).set(page.physical, page)
    const fits = partialRegions(this.#ranges, { pages: [...more.values()], privileges }) !== null
    if (!fits) onFull()
    this.#partial = fits ? more : new Map([[page.physical, page]])
    this.#told = null
  }
}
