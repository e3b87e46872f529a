/**
 * Shadow page tables of one vCPU: the translation cache that the VMM keeps for a guest which believes that the machine walks its tables.
 *
 * Filled at the first fault, one page at a time; several recent address spaces are kept, each for one root, privilege, SUM and MXR.
 * Guest user mode runs in a tree that has no supervisor page, though both run at physical user level. `sfence.vma` drops what was
 * derived from tables written since; nothing else does. The essay is in README.md.
 */
import { assert } from "@backplane/foundation-base/assert"
import { translationOf, type TranslationView } from "@backplane/trap-csr/translation"
import { accessFault, walkGuest } from "./guest-walk.ts"
import {
  NO_FLUSH,
  OPEN,
  type EngineProtection,
  type FillResult,
  type Flush,
  type GonePage,
  type GuestMmu,
  type StageMiss,
} from "./guest-mmu.ts"
import { PageApproval } from "./page-approval.ts"
import { ShadowSpace } from "./shadow-space.ts"
import type { AccessKind, Engine, InstalledTranslation, Translation } from "@backplane/compute-contract/engine"
import type { CsrFile } from "@backplane/trap-csr/csr-file"
import type { FenceScope } from "@backplane/trap-csr/execute-system"
import type { PmpRange } from "@backplane/trap-csr/pmp"
import type { MachineFrames } from "./machine-frames.ts"
import type { PhysicalMap } from "./physical-map.ts"
import type { TableWatch } from "./table-watch.ts"

/** Address spaces found without a key. */
const RECENT_MAX = 4
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

const NO_INSTALLS: readonly InstalledTranslation[] = []

export class Shadow implements GuestMmu {
  readonly #options: ShadowOptions
  readonly #approval: PageApproval
  /** Most recently used last. */
  readonly #spaces = new Map<string, ShadowSpace>()
  /** Some of them, found without making a key: a guest goes to and fro between few. */
  #recent: readonly ShadowSpace[] = []
  #current: ShadowSpace | null = null
  /** The engine's look-up TLB may hold more than the trees: it must be emptied before the next entry. */
  #stale = true
  /** Grows whenever a tree is given up. */
  #generation = 0

  constructor(options: ShadowOptions) {
    this.#options = options
    this.#approval = new PageApproval(options.memory, options.file)
  }

  /** The tree for the state that the vCPU is in now. */
  space(): ShadowSpace {
    this.#current ??= this.#recall(normalized(translationOf(this.#options.file)))
    return this.#current
  }

  translation(): Translation {
    return this.space().engineTranslation
  }

  /** What the engine must check by the byte while this vCPU is on it. Open: the trees say it all. */
  protection(): EngineProtection {
    return this.#approval.protection(this.space().translation)
  }

  pmp(): readonly PmpRange[] {
    return this.#approval.ranges()
  }

  takeFlush(): Flush {
    if (!this.#stale) return NO_FLUSH
    this.#stale = false
    return "all"
  }

  takeFences(): Flush {
    return NO_FLUSH
  }

  servedSpace(): { readonly from: Translation; readonly generation: number } | null {
    if (this.protection() !== OPEN) return null
    return { from: this.space().translation, generation: this.#generation }
  }

  takeInstalls(): readonly InstalledTranslation[] {
    return NO_INSTALLS
  }

  moved(): void {
    this.#current = null
  }

  /** The guest wrote a PMP register: every entry was derived under the old ones. */
  protectionChanged(): void {
    this.#approval.changed()
    this.dropAll()
  }

  tlbChanged(): void {
    assert(false, "a guest under shadow tables has no software TLB")
  }

  /** `sfence.vma`, whatever its scope: dropping more than asked is always right. */
  fence(_scope: FenceScope): void {
    const written = this.#options.tables.takeWritten(this.#options.vcpu)
    for (const table of written) {
      for (const space of this.#spaces.values()) this.#stale = space.dropTable(table) || this.#stale
    }
  }

  owesFence(): boolean {
    return this.#options.tables.hasWritten(this.#options.vcpu)
  }

  owes(table: bigint): boolean {
    return this.#options.tables.isWritten(this.#options.vcpu, table)
  }

  dropAll(): void {
    for (const space of this.#spaces.values()) space.destroy()
    this.#spaces.clear()
    this.#generation += 1
    this.#recent = []
    this.#approval.forget()
    this.#current = null
    this.#stale = true
  }

  pagesGone(gone: readonly GonePage[]): void {
    const frames = new Set(gone.map(({ frame }) => frame))
    for (const space of this.#spaces.values()) {
      for (const { page } of gone) space.dropTable(page)
      space.dropFrames(frames)
    }
    this.#approval.gone(gone)
    this.#stale = true
  }

  /** The engine found no entry that allows this access: the guest's own tables decide. */
  fault(address: bigint, access: AccessKind): FillResult {
    const { memory, tables } = this.#options
    const { translation } = this.space()
    const result = walkGuest({ memory, protection: this.#approval.ranges(), translation }, { address, access })
    if (result.kind === "fault") return result
    const approved = this.#approval.approve(translation, { ...result, access }, () => this.dropAll())
    if (approved === null) return accessFault(access)
    this.#stale ||= approved.partly
    this.#keepRoom()
    for (const table of result.tables) tables.watch(table)
    this.space().install({ address, ...approved, tables: result.tables })
    return FILLED
  }

  miss(_address: bigint, access: AccessKind): FillResult {
    assert(false, "shadow tables are walked by the engine")
    return accessFault(access)
  }

  stageMiss(_address: bigint, { access }: StageMiss): FillResult {
    assert(false, "shadow tables are one stage")
    return accessFault(access)
  }

  trees(): readonly ShadowSpace[] {
    return this.spaces()
  }

  /** For audits and counts. */
  spaces(): readonly ShadowSpace[] {
    return [...this.#spaces.values()]
  }

  #keepRoom(): void {
    let used = FRAMES_PER_FILL
    for (const space of this.#spaces.values()) used += space.frames()
    if (used > shadowFramesMax(this.#options.memory.bytes)) this.dropAll()
  }

  #recall(translation: TranslationView): ShadowSpace {
    const recent = this.#recent.find((space) => isSame(space.translation, translation))
    if (recent !== undefined) return recent
    const space = this.#select(translation)
    if (this.#options.keyOf === undefined) this.#recent = [space, ...this.#recent.slice(0, RECENT_MAX - 1)]
    return space
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
    this.#generation += 1
    this.#recent = []
    // The engine keys its look-up TLB by the root's frame, which may now become another root.
    this.#stale = true
  }
}

const FILLED: FillResult = { kind: "filled" }

/** What does not matter is made equal, so that it makes no second tree. */
function normalized(translation: TranslationView): TranslationView {
  return translation.mode === "bare" ? { ...translation, root: 0n, sum: false, mxr: false } : translation
}

function isSame(left: TranslationView, right: TranslationView): boolean {
  return (
    left.mode === right.mode &&
    left.fetchPrivilege === right.fetchPrivilege &&
    left.dataPrivilege === right.dataPrivilege &&
    left.root === right.root &&
    left.sum === right.sum &&
    left.mxr === right.mxr
  )
}

function keyOf({ mode, root, fetchPrivilege, dataPrivilege, sum, mxr }: TranslationView): string {
  return `${mode} ${root} ${fetchPrivilege} ${dataPrivilege} ${sum ? "sum" : ""} ${mxr ? "mxr" : ""}`
}
