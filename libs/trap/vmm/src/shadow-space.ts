/**
 * One shadow tree: what the engine walks at physical user level, virtual → machine.
 *
 * It stands for one root of the guest under one privilege: what a guest at that level may not reach has no entry. Not here: what is put
 * in (shadow.ts). I2: a leaf is a frame of this VM, or an address below RAM, where the engine finds a device and leaves.
 */
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { FrameLeaves } from "./frame-leaves.ts"
import { MachineTree, regionOf, type TreeLeaf } from "./machine-tree.ts"
import { PAGE_SHIFT, type MachineFrames } from "./machine-frames.ts"
import type { Engine, Translation } from "@backplane/compute-contract/engine"
import type { TranslationView } from "@backplane/trap-csr/translation"
import type { Mapping } from "./guest-mmu.ts"

/** Of an address of Sv39. */
const ADDRESS_BITS = 39

export interface ShadowMapping extends TreeLeaf {
  /** The guest's tables that this was derived from. */
  readonly tables: readonly bigint[]
}

export class ShadowSpace {
  /** What of the guest's state this tree stands for. */
  readonly translation: TranslationView
  /** How the engine gets here: physically all is user level. */
  readonly engineTranslation: Translation
  readonly #tree: MachineTree
  /** The guest's table page → regions derived from it. I3: no region is missing here as long as it has a leaf table. */
  readonly #regionsOfTable = new Map<bigint, Set<number>>()
  readonly #leaves = new FrameLeaves()

  constructor({
    engine,
    frames,
    translation,
  }: {
    readonly engine: Engine
    readonly frames: MachineFrames
    readonly translation: TranslationView
  }) {
    this.translation = translation
    this.#tree = new MachineTree(engine, frames)
    this.engineTranslation = { mode: "sv39", root: this.#tree.root, fetchPrivilege: 0, dataPrivilege: 0, sum: false, mxr: false }
  }

  get root(): bigint {
    return this.#tree.root
  }

  /** Frames in use. */
  frames(): number {
    return this.#tree.frames()
  }

  install(mapping: ShadowMapping): void {
    const region = regionOf(mapping.address)
    for (const table of mapping.tables) this.#depend(table, region)
    this.#tree.install(mapping)
    this.#leaves.add(Number(mapping.machinePage), leafOf(mapping.address), this.#isLeaf)
  }

  /** Forgets everything derived from one of the guest's table pages. True if there was anything. */
  dropTable(table: bigint): boolean {
    const regions = this.#regionsOfTable.get(table)
    if (regions === undefined) return false
    this.#regionsOfTable.delete(table)
    for (const region of regions) this.#tree.dropRegion(region)
    return true
  }

  /** Forgets every leaf that leads to one of these frames. */
  dropFrames(machinePages: ReadonlySet<bigint>): void {
    for (const machinePage of machinePages) {
      const page = Number(machinePage)
      for (const leaf of this.#leaves.take(page)) if (this.#isLeaf(page, leaf)) this.#tree.remove(addressOf(leaf))
    }
  }

  /** Gives all frames back; the space is of no more use. */
  destroy(): void {
    this.#tree.destroy()
    this.#regionsOfTable.clear()
    this.#leaves.clear()
  }

  /** The guest's tables that something here was derived from. */
  dependsOn(table: bigint): boolean {
    return this.#regionsOfTable.has(table)
  }

  /** Every leaf, read back from memory: what the engine would really find. */
  entries(): Iterable<Mapping> {
    return this.#tree.entries()
  }

  readonly #isLeaf = (machinePage: number, leaf: number): boolean => this.#tree.leafAt(addressOf(leaf)) === BigInt(machinePage)

  #depend(table: bigint, region: number): void {
    const regions = this.#regionsOfTable.get(table)
    if (regions === undefined) this.#regionsOfTable.set(table, new Set([region]))
    else regions.add(region)
  }
}

/** The number of a page of Sv39, for addresses in either half. */
function leafOf(address: bigint): number {
  return Number(BigInt.asUintN(ADDRESS_BITS, address) >> PAGE_SHIFT)
}

function addressOf(leaf: number): bigint {
  return BigInt.asUintN(64, BigInt.asIntN(ADDRESS_BITS, BigInt(leaf) << PAGE_SHIFT))
}

/** A machine page below RAM: the engine leaves with the access for the VMM to answer. */
export function isDevicePage(machinePage: bigint): boolean {
  return machinePage < RAM_BASE >> PAGE_SHIFT
}
