/**
 * The second stage of one VM under nested paging: physical → machine, in tables that the engine walks after the guest's own.
 *
 * Filled at the first touch of a physical page, whoever's of its vCPUs; nothing else ever exits. Stands for EPT and for the second stage of
 * the H extension. S1: every leaf is the frame that the physical map has for its page.
 */
import { MachineTree } from "./machine-tree.ts"
import { PAGE_SHIFT, type MachineFrames } from "./machine-frames.ts"
import type { Engine } from "@backplane/compute-contract/engine"
import type { GonePage, Mapping } from "./guest-mmu.ts"
import type { PhysicalMap } from "./physical-map.ts"

const REGION_BYTES = 2 ** 21
const TABLES_ABOVE = 8

/** Frames that the tables of a guest of this size can need. */
export function secondStageFramesMax(guestBytes: number): number {
  return TABLES_ABOVE + Math.ceil(guestBytes / REGION_BYTES)
}

export class SecondStage {
  readonly #memory: PhysicalMap
  readonly #tree: MachineTree
  readonly #onGone = new Set<() => void>()

  constructor({ engine, frames, memory }: { readonly engine: Engine; readonly frames: MachineFrames; readonly memory: PhysicalMap }) {
    this.#memory = memory
    this.#tree = new MachineTree(engine, frames)
  }

  get root(): bigint {
    return this.#tree.root
  }

  /** Gives a physical page its entry; `write`: one that allows a store. False: it is not the guest's memory. */
  fill(address: bigint, write: boolean): boolean {
    const page = address >> PAGE_SHIFT
    const machinePage = write ? this.#memory.writablePage(page) : this.#memory.machinePage(page)
    if (machinePage === null) return false
    this.#tree.install({ address, machinePage, read: true, write: !this.#memory.isShared(page), execute: true })
    return true
  }

  /** Told when an entry was taken away: what look-up tables derived from it must go. */
  observe(gone: () => void): void {
    this.#onGone.add(gone)
  }

  pagesGone(gone: readonly GonePage[]): void {
    const removed = gone.filter(({ page }) => this.#tree.remove(page << PAGE_SHIFT))
    if (removed.length > 0) for (const told of this.#onGone) told()
  }

  destroy(): void {
    this.#tree.destroy()
  }

  entries(): Iterable<Mapping> {
    return this.#tree.entries()
  }
}
