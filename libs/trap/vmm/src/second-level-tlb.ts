/**
 * The second level of a virtual TLB: what the guest once put into its 64 entries and did not take back. Disco, section 4.1.2: a miss that
 * is found here is served by the VMM, and to the guest the machine seems to have a larger TLB.
 *
 * L1: whatever the guest dropped by a fence or overwrote by index is not in here. Oldest out first.
 */
import { asidOf, sizeOf, type TlbObserver, type TlbScope } from "@backplane/trap-csr/software-tlb"

const GLOBAL = 32n
const ENTRIES_MAX = 4096
const PAGE_NUMBERS = 2 ** 27
const SIZES = 4
/** In place of the ASID of an entry that all address spaces share. */
const EVERYONE = 2 ** 16
const SMALL = 0

interface Remembered {
  readonly tag: bigint
  readonly entry: bigint
}

export class SecondLevelTlb implements TlbObserver {
  readonly #entries = new Map<number, Remembered>()
  #hits = 0

  size(): number {
    return this.#entries.size
  }

  hits(): number {
    return this.#hits
  }

  look(address: bigint, asid: number): Remembered | null {
    const page = pageOf(address)
    for (const space of [asid, EVERYONE]) {
      const found = this.#entries.get(keyOf({ page, size: SMALL, space }))
      if (found !== undefined) {
        this.#hits += 1
        return found
      }
    }
    return null
  }

  written(tag: bigint, entry: bigint): void {
    // Large pages are few and wired: they stay in the first level, and what they cover is forgotten here.
    if (sizeOf(tag) !== SMALL) return this.#entries.clear()
    const page = pageOf(tag)
    const asid = asidOf(tag)
    const global = (entry & GLOBAL) !== 0n
    if (global) this.#dropPage(page)
    else this.#entries.delete(keyOf({ page, size: SMALL, space: EVERYONE }))
    const key = keyOf({ page, size: SMALL, space: global ? EVERYONE : asid })
    this.#entries.delete(key)
    this.#entries.set(key, { tag, entry })
    if (this.#entries.size <= ENTRIES_MAX) return
    const [oldest] = this.#entries.keys()
    if (oldest !== undefined) this.#entries.delete(oldest)
  }

  dropped(tag: bigint, isGlobal: boolean): void {
    if (sizeOf(tag) === SMALL) this.#entries.delete(keyOf({ page: pageOf(tag), size: SMALL, space: isGlobal ? EVERYONE : asidOf(tag) }))
  }

  fenced({ address, addressSpace }: TlbScope): void {
    if (address === null && addressSpace === null) return this.#entries.clear()
    for (const [key, { tag, entry }] of this.#entries) {
      if (address !== null && pageOf(tag) !== pageOf(address)) continue
      if (addressSpace !== null && ((entry & GLOBAL) !== 0n || BigInt(asidOf(tag)) !== addressSpace)) continue
      this.#entries.delete(key)
    }
  }

  #dropPage(page: number): void {
    for (const [key, { tag }] of this.#entries) if (pageOf(tag) === page) this.#entries.delete(key)
  }
}

function pageOf(address: bigint): number {
  return Number((address >> 12n) & BigInt(PAGE_NUMBERS - 1))
}

function keyOf({ page, size, space }: { readonly page: number; readonly size: number; readonly space: number }): number {
  return (space * SIZES + size) * PAGE_NUMBERS + page
}
