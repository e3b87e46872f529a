/**
 * The guest's PMP as the shadow needs it: may a whole page be mapped, and what the engine must check by the byte where an entry ends
 * inside a page. Privileged manual, "Physical Memory Protection"; matching of single accesses is trap/csr's.
 */
import { PAGE_BYTES, PAGE_SHIFT } from "./machine-frames.ts"
import type { Access, PmpRange } from "@backplane/trap-csr/pmp"
import type { Privilege } from "@backplane/trap-csr/privilege"
import type { ProtectionRegion } from "@backplane/compute-contract/engine"

export type PageVerdict = "allowed" | "denied" | "partly"

export interface PageAccess {
  /** Physical page number. */
  readonly page: bigint
  readonly access: Access
  readonly privilege: Privilege
}

/** The first entry that touches the page decides; `partly` when it does not hold all of it. Without one only M-mode gets through. */
export function pageVerdict(ranges: readonly PmpRange[], { page, access, privilege }: PageAccess): PageVerdict {
  const from = page << PAGE_SHIFT
  const to = from + BigInt(PAGE_BYTES)
  const match = ranges.find((range) => range.from < to && range.to > from)
  if (match === undefined) return privilege === 3 ? "allowed" : "denied"
  if (match.from > from || match.to < to) return "partly"
  return (privilege === 3 && !match.locked) || match[access] ? "allowed" : "denied"
}

export interface PartialPage {
  readonly physical: bigint
  readonly machine: bigint
}

export interface Privileges {
  readonly fetchPrivilege: Privilege
  readonly dataPrivilege: Privilege
}

const EVERYTHING: ProtectionRegion = { from: 0n, to: 2n ** 64n - 1n, read: true, write: true, execute: true, locked: true }
/** What the engine has room for. */
export const REGIONS_MAX = 64

/**
 * The PMP of those pages in machine addresses, for an engine whose CPU is at physical user level: what M-mode may do whatever the entry
 * says is written into the region. All other memory is open: the shadow tree has decided about it. Null: more than the engine takes.
 */
export function partialRegions(
  ranges: readonly PmpRange[],
  { pages, privileges }: { readonly pages: readonly PartialPage[]; readonly privileges: Privileges },
): readonly ProtectionRegion[] | null {
  const regions = pages.flatMap(({ physical, machine }) => {
    const from = physical << PAGE_SHIFT
    const to = from + BigInt(PAGE_BYTES)
    const shift = (machine << PAGE_SHIFT) - from
    const inside = ranges
      .filter((range) => range.from < to && range.to > from)
      .map((range) => ({
        from: (range.from > from ? range.from : from) + shift,
        to: (range.to < to ? range.to : to) + shift,
        read: range.read || (privileges.dataPrivilege === 3 && !range.locked),
        write: range.write || (privileges.dataPrivilege === 3 && !range.locked),
        execute: range.execute || (privileges.fetchPrivilege === 3 && !range.locked),
        locked: true,
      }))
    const data = privileges.dataPrivilege === 3
    const rest = { from: from + shift, to: to + shift, read: data, write: data, execute: privileges.fetchPrivilege === 3, locked: true }
    return [...inside, rest]
  })
  return regions.length < REGIONS_MAX ? [...regions, EVERYTHING] : null
}
