/**
 * One access under `satp.MODE` 14: what the entry that matches allows, or which exception it is. trap/vmm/software-tlb.md.
 * `permitsLeaf` is the rule of Sv39 leaves; the walk of tables uses it as well.
 */
import { isCanonical, type SoftwareTlb } from "./software-tlb.ts"
import type { TranslationView } from "./translation.ts"

export type TlbAccess = "fetch" | "load" | "store"

export const TlbException = { refillFetch: 24, refillLoad: 25, refillStore: 26, modified: 27 } as const

/** Bits of `medeleg`. */
export const TLB_CAUSES = 0xf00_0000n

const REFILL: Readonly<Record<TlbAccess, number>> = { fetch: 24, load: 25, store: 26 }
const PAGE_FAULT: Readonly<Record<TlbAccess, number>> = { fetch: 12, load: 13, store: 15 }
const LEVEL_BITS = 9n
const PAGE_NUMBER = (1n << 44n) - 1n
const V = 1n
const R = 2n
const W = 4n
const X = 8n
const U = 16n
const D = 128n

export type TlbResult =
  | {
      readonly kind: "mapped"
      /** Physical page number of the 4 KiB page. */
      readonly page: bigint
      /** What may be done through this entry; write only once D is set. */
      readonly read: boolean
      readonly write: boolean
      readonly execute: boolean
    }
  | { readonly kind: "fault"; readonly cause: number }

export function isTlbCause(cause: number): boolean {
  return cause >= TlbException.refillFetch && cause <= TlbException.modified
}

export function translateByTlb(
  tlb: SoftwareTlb,
  translation: TranslationView,
  { address, access }: { readonly address: bigint; readonly access: TlbAccess },
): TlbResult {
  if (!isCanonical(address)) return { kind: "fault", cause: PAGE_FAULT[access] }
  const index = tlb.look(address, Number(translation.root))
  if (index < 0) return { kind: "fault", cause: REFILL[access] }
  const entry = tlb.entryAt(index)
  const valid = (entry & V) !== 0n && (entry & (R | W)) !== W
  if (!valid || !permitsLeaf(translation, access, entry)) return { kind: "fault", cause: PAGE_FAULT[access] }
  if (access === "store" && (entry & D) === 0n) return { kind: "fault", cause: TlbException.modified }
  const below = (1n << (LEVEL_BITS * BigInt(tlb.sizeAt(index)))) - 1n
  const { fetchPrivilege, dataPrivilege } = translation
  // Under MPRV a machine-mode fetch is not translated: this entry is for data only.
  const fetches = fetchPrivilege !== 3
  const accesses = dataPrivilege !== 3
  return {
    kind: "mapped",
    page: ((entry >> 10n) & PAGE_NUMBER) | ((address >> 12n) & below),
    read: accesses && permitsLeaf(translation, "load", entry),
    write: accesses && (entry & D) !== 0n && permitsLeaf(translation, "store", entry),
    execute: fetches && permitsLeaf(translation, "fetch", entry),
  }
}

/** May a leaf with these bits be used so? V and reserved combinations are asked before. Privileged manual, "Sv39". */
export function permitsLeaf(translation: TranslationView, access: TlbAccess, entry: bigint): boolean {
  const user = (entry & U) !== 0n
  if ((access === "fetch" ? translation.fetchPrivilege : translation.dataPrivilege) === 0) {
    if (!user) return false
  } else if (user && (access === "fetch" || !translation.sum)) {
    // Supervisor never fetches from user pages, and reads and writes them only under SUM.
    return false
  }
  if (access === "fetch") return (entry & X) !== 0n
  if (access === "store") return (entry & W) !== 0n
  return (entry & R) !== 0n || (translation.mxr && (entry & X) !== 0n)
}
