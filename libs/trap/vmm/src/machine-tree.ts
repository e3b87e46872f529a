/**
 * Tables in the form of Sv39 in frames of the VMM, which the engine walks: of a shadow, or of a second stage. Leaves are pages of 4 KiB.
 *
 * Every leaf says accessed and dirty already, so the engine never writes here. Not here: what is put in, and why.
 */
import { assert } from "@backplane/foundation-base/assert"
import { PAGE_SHIFT, type MachineFrames } from "./machine-frames.ts"
import type { Engine } from "@backplane/compute-contract/engine"
import type { Mapping } from "./guest-mmu.ts"

const V = 1n
const R = 2n
const W = 4n
const X = 8n
/** User, accessed and dirty: on every leaf. */
const LEAF = V | 16n | 64n | 128n
const ENTRY_BYTES = 8
const TABLE_ENTRIES = 512
const NO_ENTRY = new Uint8Array(ENTRY_BYTES)
/** Addresses of one leaf table: 2 MiB. */
const REGION_SHIFT = 21n
const REGION_MASK = 0x3_ffffn

export interface TreeLeaf {
  readonly address: bigint
  readonly machinePage: bigint
  readonly read: boolean
  readonly write: boolean
  readonly execute: boolean
}

export class MachineTree {
  readonly root: bigint
  readonly #engine: Engine
  readonly #frames: MachineFrames
  /** Tables of the second level, by index in the root. */
  readonly #middles = new Map<number, bigint>()
  /** Leaf tables, by region. */
  readonly #leaves = new Map<number, bigint>()
  readonly #word = new Uint8Array(ENTRY_BYTES)
  readonly #wordView = new DataView(this.#word.buffer)

  constructor(engine: Engine, frames: MachineFrames) {
    this.#engine = engine
    this.#frames = frames
    this.root = this.#newTable()
  }

  /** Frames in use. */
  frames(): number {
    return 1 + this.#middles.size + this.#leaves.size
  }

  install({ address, machinePage, read, write, execute }: TreeLeaf): void {
    // Write without read is reserved, and no guest mapping allows it.
    const bits = LEAF | (read ? R : 0n) | (write && read ? W : 0n) | (execute ? X : 0n)
    this.#write(this.#leafTable(regionOf(address)), leafIndex(address), (machinePage << 10n) | bits)
  }

  /** Takes one page out. True if it was there. */
  remove(address: bigint): boolean {
    const leaf = this.#leaves.get(regionOf(address))
    if (leaf === undefined) return false
    this.#write(leaf, leafIndex(address), null)
    return true
  }

  /** The machine page that this one leads to; null: it is not there. */
  leafAt(address: bigint): bigint | null {
    const leaf = this.#leaves.get(regionOf(address))
    if (leaf === undefined) return null
    const bytes = this.#engine.readMemory((leaf << PAGE_SHIFT) + BigInt(leafIndex(address) * ENTRY_BYTES), ENTRY_BYTES)
    const entry = new DataView(bytes.buffer).getBigUint64(0, true)
    return (entry & V) === 0n ? null : pageOf(entry)
  }

  /** Takes 2 MiB out, and gives their table back. */
  dropRegion(region: number): void {
    const leaf = this.#leaves.get(region)
    if (leaf === undefined) return
    const middle = this.#middles.get(region >> 9)
    assert(middle !== undefined, "a leaf table hangs in a table of the second level")
    this.#write(middle, region & 511, null)
    this.#leaves.delete(region)
    this.#frames.release(leaf)
  }

  /** Gives all frames back; the tree is of no more use. */
  destroy(): void {
    for (const page of [...this.#leaves.values(), ...this.#middles.values(), this.root]) this.#frames.release(page)
    this.#leaves.clear()
    this.#middles.clear()
  }

  /** Every leaf, read back from memory: what the engine would really find. */
  *entries(): Generator<Mapping> {
    for (const [region, table] of this.#leaves) {
      const view = new DataView(this.#engine.readMemory(table << PAGE_SHIFT, TABLE_ENTRIES * ENTRY_BYTES).buffer)
      for (let index = 0; index < TABLE_ENTRIES; index += 1) {
        const entry = view.getBigUint64(index * ENTRY_BYTES, true)
        if ((entry & V) === 0n) continue
        const address = BigInt.asUintN(64, BigInt.asIntN(39, (BigInt(region) << REGION_SHIFT) | (BigInt(index) << PAGE_SHIFT)))
        yield { address, machinePage: pageOf(entry), write: (entry & W) !== 0n }
      }
    }
  }

  #leafTable(region: number): bigint {
    const known = this.#leaves.get(region)
    if (known !== undefined) return known
    const table = this.#newTable()
    this.#write(this.#middleTable(region >> 9), region & 511, (table << 10n) | V)
    this.#leaves.set(region, table)
    return table
  }

  #middleTable(index: number): bigint {
    const known = this.#middles.get(index)
    if (known !== undefined) return known
    const table = this.#newTable()
    this.#write(this.root, index, (table << 10n) | V)
    this.#middles.set(index, table)
    return table
  }

  #newTable(): bigint {
    const page = this.#frames.allocate("vmm")
    assert(page !== null, "frames for the VMM's tables are kept free")
    return page
  }

  #write(table: bigint, index: number, entry: bigint | null): void {
    if (entry !== null) this.#wordView.setBigUint64(0, entry, true)
    this.#engine.writeMemory((table << PAGE_SHIFT) + BigInt(index * ENTRY_BYTES), entry === null ? NO_ENTRY : this.#word)
  }
}

function pageOf(entry: bigint): bigint {
  return (entry >> 10n) & ((1n << 44n) - 1n)
}

/** Which 2 MiB an address lies in. */
export function regionOf(address: bigint): number {
  return Number((address >> REGION_SHIFT) & REGION_MASK)
}

function leafIndex(address: bigint): number {
  return Number((address >> PAGE_SHIFT) & 511n)
}
