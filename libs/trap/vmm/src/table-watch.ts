/**
 * Which of a guest's pages are tables that shadow entries were derived from, and whether they were written since.
 *
 * RISC-V lets a machine use old translations until `sfence.vma`, so nothing is write-protected: a table's frame is watched, its first
 * store leaves the engine once, is noted for every vCPU, and the watch ends until something is derived from the table again.
 * I4: a table with derived entries is watched, or noted as written for every vCPU that has not fenced since.
 */
import { defined } from "@backplane/foundation-base/assert"
import { PAGE_SHIFT } from "./machine-frames.ts"
import type { Engine } from "@backplane/compute-contract/engine"
import type { GonePage } from "./guest-mmu.ts"
import type { PhysicalMap } from "./physical-map.ts"

export class TableWatch {
  readonly #engine: Engine
  readonly #memory: PhysicalMap
  /** Machine page → the guest's page, of the tables under watch. */
  readonly #watched = new Map<bigint, bigint>()
  /** The same the other way round: where each lay when its watch began. */
  readonly #watchedTables = new Map<bigint, bigint>()
  /** Pages that somebody else wants watched, too. */
  readonly #kept: ReadonlySet<bigint>
  /** By vCPU: tables written since its last fence. */
  readonly #written: readonly Set<bigint>[]

  constructor({
    engine,
    memory,
    vcpus,
    kept,
  }: {
    readonly engine: Engine
    readonly memory: PhysicalMap
    readonly vcpus: number
    readonly kept: ReadonlySet<bigint>
  }) {
    this.#engine = engine
    this.#memory = memory
    this.#kept = kept
    this.#written = Array.from({ length: vcpus }, () => new Set<bigint>())
    memory.observeWrites((page) => this.#noteWritten(page))
  }

  /** Something is derived from this table now. */
  watch(table: bigint): void {
    if (this.#watchedTables.has(table)) return
    const machine = this.#memory.machinePage(table)
    if (machine === null) return
    this.#watchedTables.set(table, machine)
    // Nobody writes to a frame of equal pages: a table that is written leaves it first, and is noted then (`pagesGone`).
    if (this.#memory.isShared(table)) return
    this.#watched.set(machine, table)
    this.#engine.watchPage(machine << PAGE_SHIFT, "watched")
  }

  /** A guest's store hit a watched frame. True if it was one of these. */
  onStore(machineAddress: bigint): boolean {
    const table = this.#watched.get(machineAddress >> PAGE_SHIFT)
    if (table === undefined) return false
    this.#noteWritten(table)
    return true
  }

  /** Tables written since this vCPU fenced last; they are handed out once. */
  takeWritten(vcpu: number): readonly bigint[] {
    const written = defined(this.#written[vcpu], "the vCPU exists")
    if (written.size === 0) return NONE
    const taken = [...written]
    written.clear()
    return taken
  }

  /** Was any? */
  hasWritten(vcpu: number): boolean {
    return defined(this.#written[vcpu], "the vCPU exists").size > 0
  }

  /** Was it written since this vCPU fenced last? */
  isWritten(vcpu: number, table: bigint): boolean {
    return defined(this.#written[vcpu], "the vCPU exists").has(table)
  }

  /** The pages have left their frames: what is derived from them is so anew, and the frames are somebody else's soon. */
  pagesGone(gone: readonly GonePage[]): void {
    for (const { page } of gone) this.#noteWritten(page)
  }

  /** Ends all watching: nothing is derived any more. */
  clear(): void {
    for (const table of [...this.#watchedTables.keys()]) this.#unwatch(table)
    for (const written of this.#written) written.clear()
  }

  #noteWritten(table: bigint): void {
    if (!this.#watchedTables.has(table)) return
    this.#unwatch(table)
    for (const written of this.#written) written.add(table)
  }

  #unwatch(table: bigint): void {
    const machine = defined(this.#watchedTables.get(table), "only what is watched is let go")
    this.#watchedTables.delete(table)
    if (!this.#watched.delete(machine)) return
    if (!this.#kept.has(table)) this.#engine.watchPage(machine << PAGE_SHIFT, "unwatched")
  }
}

const NONE: readonly bigint[] = []
