/**
 * One translation of the guest's own tables, as the machine that it believes in would do it: Sv39, PMP, accessed and dirty bits.
 *
 * Tables are read through the physical map, so they can point where they like. Privileged manual, "Virtual Address Translation
 * Process"; A and D are written by the walk (Svadu). The engine's own walk (native) is the same, step for step.
 */
import { permitted } from "@backplane/trap-csr/pmp"
import { permitsLeaf } from "@backplane/trap-csr/tlb-translation"
import { PAGE_SHIFT } from "./machine-frames.ts"
import type { AccessKind } from "@backplane/compute-contract/engine"
import type { PmpRange } from "@backplane/trap-csr/pmp"
import type { Privilege } from "@backplane/trap-csr/privilege"
import type { TranslationView } from "@backplane/trap-csr/translation"
import type { PhysicalMap } from "./physical-map.ts"

const V = 1n
const R = 2n
const W = 4n
const X = 8n
const U = 16n
const A = 64n
const D = 128n
const RESERVED_SHIFT = 54n
const PAGE_NUMBER = (1n << 44n) - 1n
const LEVEL_BITS = 9n
const TOP_LEVEL = 2
const ENTRY_BYTES = 8

export interface GuestMapping {
  readonly kind: "mapped"
  /** Physical page number of the 4 KiB page. */
  readonly page: bigint
  /** What may be done through this mapping without another walk: a store only once D is set. */
  readonly read: boolean
  readonly write: boolean
  readonly execute: boolean
  /** Physical page numbers of the tables that were read, the root first. None if there is no translation. */
  readonly tables: readonly bigint[]
}

export type WalkResult = GuestMapping | { readonly kind: "fault"; readonly cause: number }

export interface Walk {
  readonly memory: PhysicalMap
  readonly protection: readonly PmpRange[]
  readonly translation: TranslationView
}

/** By the kind of access: page faults and access faults have causes of their own. */
const CAUSES: Readonly<Record<AccessKind, { readonly page: number; readonly access: number }>> = {
  fetch: { page: 12, access: 1 },
  load: { page: 13, access: 5 },
  store: { page: 15, access: 7 },
}

export function accessFault(access: AccessKind): { readonly kind: "fault"; readonly cause: number } {
  return { kind: "fault", cause: CAUSES[access].access }
}

function pageFault(access: AccessKind): { readonly kind: "fault"; readonly cause: number } {
  return { kind: "fault", cause: CAUSES[access].page }
}

export function walkGuest(walk: Walk, { address, access }: { readonly address: bigint; readonly access: AccessKind }): WalkResult {
  const { translation } = walk
  const privilege = privilegeFor(translation, access)
  if (translation.mode === "bare" || privilege === 3) return untranslated(translation, address, access)
  if (BigInt.asUintN(64, BigInt.asIntN(39, address)) !== address) return pageFault(access)
  const tables: bigint[] = []
  let table = translation.root
  for (let level = TOP_LEVEL; level >= 0; level -= 1) {
    const index = (address >> (PAGE_SHIFT + LEVEL_BITS * BigInt(level))) & 511n
    const at = (table << PAGE_SHIFT) | (index * BigInt(ENTRY_BYTES))
    const entry = readEntry(walk, at)
    if (entry === null) return accessFault(access)
    tables.push(table)
    if ((entry & V) === 0n || (entry & (R | W)) === W || entry >> RESERVED_SHIFT !== 0n) return pageFault(access)
    if ((entry & (R | X)) !== 0n) return leaf(walk, { address, access, privilege, at, entry, level, tables })
    if ((entry & (A | D | U)) !== 0n) return pageFault(access)
    table = (entry >> 10n) & PAGE_NUMBER
  }
  return pageFault(access)
}

function privilegeFor(translation: TranslationView, access: AccessKind): Privilege {
  return access === "fetch" ? translation.fetchPrivilege : translation.dataPrivilege
}

/** Loads, stores and fetches see one address space, unless MPRV sends data through tables that an M-mode fetch does not use. */
function shared(translation: TranslationView, access: AccessKind): { readonly data: boolean; readonly fetch: boolean } {
  if (translation.mode === "bare" || translation.fetchPrivilege === translation.dataPrivilege) return { data: true, fetch: true }
  return { data: access !== "fetch", fetch: access === "fetch" }
}

function untranslated(translation: TranslationView, address: bigint, access: AccessKind): GuestMapping {
  const { data, fetch } = shared(translation, access)
  return { kind: "mapped", page: address >> PAGE_SHIFT, read: data, write: data, execute: fetch, tables: [] }
}

/** The walker reads as supervisor, whatever the access. */
function readEntry({ memory, protection }: Walk, address: bigint): bigint | null {
  const allowed = permitted(protection, { address, bytes: ENTRY_BYTES, access: "read", privilege: 1 })
  return allowed ? memory.read64(address) : null
}

interface Leaf {
  readonly address: bigint
  readonly access: AccessKind
  readonly privilege: Privilege
  readonly at: bigint
  readonly entry: bigint
  readonly level: number
  readonly tables: readonly bigint[]
}

function leaf(walk: Walk, { address, access, at, entry, level, tables }: Leaf): WalkResult {
  const { translation } = walk
  if (!permitsLeaf(translation, access, entry)) return pageFault(access)
  const page = (entry >> 10n) & PAGE_NUMBER
  const below = (1n << (LEVEL_BITS * BigInt(level))) - 1n
  if ((page & below) !== 0n) return pageFault(access)
  const updated = entry | A | (access === "store" ? D : 0n)
  if (updated !== entry) {
    const writable = permitted(walk.protection, { address: at, bytes: ENTRY_BYTES, access: "write", privilege: 1 })
    if (!writable) return accessFault(access)
    walk.memory.writeEntry(at, updated)
  }
  const { data, fetch } = shared(translation, access)
  return {
    kind: "mapped",
    page: page | ((address >> PAGE_SHIFT) & below),
    read: data && permitsLeaf(translation, "load", entry),
    write: data && (updated & D) !== 0n && permitsLeaf(translation, "store", entry),
    execute: fetch && permitsLeaf(translation, "fetch", entry),
    tables,
  }
}
