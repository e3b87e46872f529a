/**
 * Shadow page tables of one vCPU: the translation cache that the VMM keeps for a guest which believes that the machine walks its tables.
 *
 * Filled at the first fault, one page at a time; several recent address spaces are kept, each for one root, privilege, SUM and MXR.
 * Guest user mode runs in a tree that has no supervisor page, though both run at physical user level. `sfence.vma` drops what was
 * derived from tables written since; nothing else does. The essay is in README.md.
 */
import { assert } from "@backplane/foundation-base/assert"
import { pmpRanges } from "@backplane/trap-csr/pmp"
import { translationOf, type TranslationView } from "@backplane/trap-csr/translation"
import { accessFault, walkGuest, type GuestMapping } from "./guest-walk.ts"
import { isDevicePage, ShadowSpace } from "./shadow-space.ts"
import { pageVerdict, partialRegions, type PageVerdict, type PartialPage } from "./page-protection.ts"
import type { AccessKind, Engine, ProtectionRegion } from "@backplane/compute-contract/engine"
import type { CsrFile } from "@backplane/trap-csr/csr-file"
import type { PmpRange } from "@backplane/trap-csr/pmp"
import type { MachineFrames } from "./machine-frames.ts"
import type { PhysicalMap } from "./physical-map.ts"
import type { TableWatch } from "./table-watch.ts"

/** Address spaces kept for a vCPU. */
export const SPACES_MAX = 16
/** Root, middle and leaf table: what one fill can need. */
const FRAMES_PER_FILL = 3
const REGION_BYTES = 2 ** 21
/** Room for scattered address spaces, whatever the size of the guest. */
const SCATTERED_FRAMES = 64

/** Frames of shadow tables that a vCPU may hold; beyond that it begins anew. All of the guest's RAM fits twice: for M- and for S-mode. */
export function shadowFramesMax(guestBytes: number): number {
  return SCATTERED_FRAMES + 2 * Math.ceil(guestBytes / REGION_BYTES)
}

export interface ShadowOptions {
  readonly engine: Engine
  readonly frames: MachineFrames
  readonly memory: PhysicalMap
  readonly tables: TableWatch
  readonly file: CsrFile
  readonly vcpu: number
  /** Which address spaces share a tree: for tests that get it wrong. */
  readonly keyOf?: (translation: TranslationView) => string
}

export type FillResult = { readonly kind: "filled" } | { readonly kind: "fault"; readonly cause: number }

export class Shadow {
  readonly #options: ShadowOptions
  /** Most recently used last. */
  readonly #spaces = new Map<string, ShadowSpace>()
  #current: ShadowSpace | null = null
  #protection: readonly PmpRange[]
  /** Pages that a PMP entry ends in; the engine checks these by the byte. */
  #partial = new Map<bigint, PartialPage>()
  /** The engine's look-up TLB may hold more than the trees: it must be emptied before the next entry. */
  #stale = true

  constructor(options: ShadowOptions) {
    this.#options = options
    this.#protection = pmpRanges(options.file)
  }

  /** The tree for the state that the vCPU is in now. */
  space(): ShadowSpace {
    this.#current ??= this.#select(normalized(translationOf(this.#options.file)))
    return this.#current
  }

  /** Privilege, `satp` or a field of `mstatus` that translation looks at may have changed. */
  moved(): void {
    this.#current = null
  }

  /** The guest wrote a PMP register: every entry was derived under the old ones. */
  protectionChanged(): void {
    this.#protection = pmpRanges(this.#options.file)
    this.dropAll()
  }

  /** `sfence.vma`, whatever its scope: dropping more than asked is always right. */
  fence(): void {
    const written = this.#options.tables.takeWritten(this.#options.vcpu)
    for (const table of written) {
      for (const space of this.#spaces.values()) this.#stale = space.dropTable(table) || this.#stale
    }
  }

  dropAll(): void {
    for (const space of this.#spaces.values()) space.destroy()
    this.#spaces.clear()
    this.#partial = new Map()
    this.#current = null
    this.#stale = true
  }

  /** Asked before each entry to the engine: must its look-up TLB be emptied? */
  takeStale(): boolean {
    const stale = this.#stale
    this.#stale = false
    return stale
  }

  /** What the engine must check by the byte while this vCPU is on it. Empty: the trees say it all. */
  protectionRegions(): readonly ProtectionRegion[] {
    if (this.#partial.size === 0) return []
    const regions = partialRegions(this.#protection, { pages: [...this.#partial.values()], privileges: this.space().translation })
    // Too many pages at once: begin anew with the next fault. `fill` keeps the number below that.
    assert(regions !== null, "partial pages are few enough for the engine")
    return regions
  }

  /** The engine found no entry that allows this access: the guest's own tables decide. */
  fill(address: bigint, access: AccessKind): FillResult {
    const { memory } = this.#options
    const { translation } = this.space()
    const result = walkGuest({ memory, protection: this.#protection, translation }, { address, access })
    if (result.kind === "fault") return result
    const machinePage = this.#machinePage(result.page)
    // Code is fetched from memory only.
    if (machinePage === null || (access === "fetch" && isDevicePage(machinePage))) return accessFault(access)
    const verdicts = this.#verdicts(result.page)
    if (verdicts[access] === "denied") return accessFault(access)
    this.#keepRoom()
    this.#notePartial(result.page, { verdicts, machinePage })
    this.#install(address, { result, machinePage, verdicts })
    return { kind: "filled" }
  }

  /** For audits and counts. */
  spaces(): readonly ShadowSpace[] {
    return [...this.#spaces.values()]
  }

  #install(
    address: bigint,
    {
      result,
      machinePage,
      verdicts,
    }: { readonly result: GuestMapping; readonly machinePage: bigint; readonly verdicts: Readonly<Record<AccessKind, PageVerdict>> },
  ): void {
    for (const table of result.tables) this.#options.tables.watch(table)
    this.space().install({
      address,
      machinePage,
      read: result.read && verdicts.load !== "denied",
      write: result.write && verdicts.store !== "denied",
      execute: result.execute && verdicts.fetch !== "denied" && !isDevicePage(machinePage),
      tables: result.tables,
    })
  }

  /** Below RAM are devices: such a page is mapped to its own number, where this machine has no memory either. */
  #machinePage(page: bigint): bigint | null {
    return isDevicePage(page) ? page : this.#options.memory.machinePage(page)
  }

  #verdicts(page: bigint): Readonly<Record<AccessKind, PageVerdict>> {
    const { fetchPrivilege, dataPrivilege } = this.space().translation
    const verdict = (access: "read" | "write" | "execute", privilege: typeof dataPrivilege): PageVerdict =>
      pageVerdict(this.#protection, { page, access, privilege })
    return { fetch: verdict("execute", fetchPrivilege), load: verdict("read", dataPrivilege), store: verdict("write", dataPrivilege) }
  }

  #notePartial(
    page: bigint,
    { verdicts, machinePage }: { readonly verdicts: Readonly<Record<AccessKind, PageVerdict>>; readonly machinePage: bigint },
  ): void {
    const partly = verdicts.fetch === "partly" || verdicts.load === "partly" || verdicts.store === "partly"
    if (!partly || this.#partial.has(page)) return
    const more = new Map(this.#partial).set(page, { physical: page, machine: machinePage })
    const privileges = this.space().translation
    const fits = partialRegions(this.#protection, { pages: [...more.values()], privileges }) !== null
    if (fits) this.#partial = more
    else {
      this.dropAll()
      this.#partial = new Map([[page, { physical: page, machine: machinePage }]])
    }
    this.#stale = true
  }

  #keepRoom(): void {
    const used = this.spaces().reduce((sum, space) => sum + space.frames(), 0)
    if (used + FRAMES_PER_FILL > shadowFramesMax(this.#options.memory.bytes)) this.dropAll()
  }

  #select(translation: TranslationView): ShadowSpace {
    const key = (this.#options.keyOf ?? keyOf)(translation)
    const known = this.#spaces.get(key)
    if (known !== undefined) {
      this.#spaces.delete(key)
      this.#spaces.set(key, known)
      return known
    }
    const [oldest] = this.#spaces.keys()
    if (oldest !== undefined && this.#spaces.size >= SPACES_MAX) this.#forget(oldest)
    const { engine, frames } = this.#options
    const space = new ShadowSpace({ engine, frames, translation })
    this.#spaces.set(key, space)
    return space
  }

  #forget(key: string): void {
    this.#spaces.get(key)?.destroy()
    this.#spaces.delete(key)
    // The engine keys its look-up TLB by the root's frame, which may now become another root.
    this.#stale = true
  }
}

/** What does not matter is made equal, so that it makes no second tree. */
function normalized(translation: TranslationView): TranslationView {
  return translation.mode === "bare" ? { ...translation, root: 0n, sum: false, mxr: false } : translation
}

function keyOf({ mode, root, fetchPrivilege, dataPrivilege, sum, mxr }: TranslationView): string {
  return `${mode} ${root} ${fetchPrivilege} ${dataPrivilege} ${sum ? "sum" : ""} ${mxr ? "mxr" : ""}`
}
