/**
 * One shadow tree: Sv39 tables in frames of the VMM that the engine walks at physical user level, virtual → machine.
 *
 * It stands for one root of the guest under one privilege: what a guest at that level may not reach has no entry. Every entry says
 * accessed and dirty already, so the engine never writes here. Not here: what is put in (shadow.ts).
 * I2: a leaf is a frame of this VM, or an address below RAM, where the engine finds a device and leaves.
 */
import { assert } from "@backplane/foundation-base/assert"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { PAGE_SHIFT, type MachineFrames } from "./machine-frames.ts"
import type { Engine } from "@backplane/compute-contract/engine"
import type { TranslationView } from "@backplane/trap-csr/translation"

const V = 1n
const R = 2n
const W = 4n
const X = 8n
/** User, accessed and dirty: on every leaf. */
const LEAF = V | 16n | 64n | 128n
const ENTRY_BYTES = 8
const TABLE_ENTRIES = 512
const NO_ENTRY = new Uint8Array(ENTRY_BYTES)
/** Virtual addresses of one leaf table: 2 MiB. */
const REGION_SHIFT = 21n
const REGION_MASK = 0x3_ffffn

export interface ShadowMapping {
  readonly address: bigint
  readonly machinePage: bigint
  readonly read: boolean
  readonly write: boolean
  readonly execute: boolean
  /** The guest's tables that this was derived from. */
  readonly tables: readonly bigint[]
}

/** One leaf as the engine would find it, for audits. */
export interface ShadowLeaf {
  readonly address: bigint
  readonly machinePage: bigint
  readonly write: boolean
}

export class ShadowSpace {
  /** What of the guest's state this tree stands for. */
  readonly translation: TranslationView
  readonly root: bigint
  readonly #engine: Engine
  readonly #frames: MachineFrames
  /** Tables of the second level, by index in the root. */
  readonly #middles = new Map<number, bigint>()
  /** Leaf tables, by region. */
  readonly #leaves = new Map<number, bigint>()
  /** The guest's table page → regions derived from it. I3: no region is missing here as long as it has a leaf table. */
  readonly #regionsOfTable = new Map<bigint, Set<number>>()

  constructor({
    engine,
    frames,
    translation,
  }: {
    readonly engine: Engine
    readonly frames: MachineFrames
    readonly translation: TranslationView
  }) {
    this.#engine = engine
    this.#frames = frames
    this.translation = translation
    this.root = this.#newTable()
  }

  /** Frames in use. */
  frames(): number {
    return 1 + this.#middles.size + this.#leaves.size
  }

  install({ address, machinePage, read, write, execute, tables }: ShadowMapping): void {
    const region = Number((address >> REGION_SHIFT) & REGION_MASK)
    const leaf = this.#leafTable(region)
    for (const table of tables) this.#depend(table, region)
    // Write without read is reserved, and no guest mapping allows it.
    const bits = LEAF | (read ? R : 0n) | (write && read ? W : 0n) | (execute ? X : 0n)
    this.#write(leaf, Number((address >> PAGE_SHIFT) & 511n), (machinePage << 10n) | bits)
  }

  /** Forgets everything derived from one of the guest's table pages. True if there was anything. */
  dropTable(table: bigint): boolean {
    const regions = this.#regionsOfTable.get(table)
    if (regions === undefined) return false
    this.#regionsOfTable.delete(table)
    for (const region of regions) this.#dropRegion(region)
    return true
  }

  /** Gives all frames back; the space is of no more use. */
  destroy(): void {
    for (const page of [...this.#leaves.values(), ...this.#middles.values(), this.root]) this.#frames.release(page)
    this.#leaves.clear()
    this.#middles.clear()
    this.#regionsOfTable.clear()
  }

  /** The guest's tables that something here was derived from. */
  dependsOn(table: bigint): boolean {
    return this.#regionsOfTable.has(table)
  }

  /** Every leaf, read back from memory: what the engine would really find. */
  *entries(): Generator<ShadowLeaf> {
    for (const [region, table] of this.#leaves) {
      const view = new DataView(this.#engine.readMemory(table << PAGE_SHIFT, TABLE_ENTRIES * ENTRY_BYTES).buffer)
      for (let index = 0; index < TABLE_ENTRIES; index += 1) {
        const entry = view.getBigUint64(index * ENTRY_BYTES, true)
        if ((entry & V) === 0n) continue
        const address = BigInt.asUintN(64, BigInt.asIntN(39, (BigInt(region) << REGION_SHIFT) | (BigInt(index) << PAGE_SHIFT)))
        yield { address, machinePage: (entry >> 10n) & ((1n << 44n) - 1n), write: (entry & W) !== 0n }
      }
    }
  }

  #depend(table: bigint, region: number): void {
    const regions = this.#regionsOfTable.get(table)
    if (regions === undefined) this.#regionsOfTable.set(table, new Set([region]))
    else regions.add(region)
  }

  #dropRegion(region: number): void {
    const leaf = this.#leaves.get(region)
    if (leaf === undefined) return
    const middle = this.#middles.get(region >> 9)
    assert(middle !== undefined, "a leaf table hangs in a table of the second level")
    this.#write(middle, region & 511, null)
    this.#leaves.delete(region)
    this.#frames.release(leaf)
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
    assert(page !== null, "frames for shadow tables are kept free")
    return page
  }

  #write(table: bigint, index: number, entry: bigint | null): void {
    let bytes = NO_ENTRY
    if (entry !== null) {
      bytes = new Uint8Array(ENTRY_BYTES)
      new DataView(bytes.buffer).setBigUint64(0, entry, true)
    }
    this.#engine.writeMemory((table << PAGE_SHIFT) + BigInt(index * ENTRY_BYTES), bytes)
  }
}

/** A machine page below RAM: the engine leaves with the access for the VMM to answer. */
export function isDevicePage(machinePage: bigint): boolean {
  return machinePage < RAM_BASE >> PAGE_SHIFT
}
