/**
 * All pages of a directory after it has begun a new life, or after the death of a node: from what the nodes report, and from what the
 * directory knew before, if it did. Pure.
 *
 * A page is lost when a dead node had its only fresh bytes: it owned the page, or its frame was the last copy. Without a directory of before
 * the frame store's word counts that another owns the page, so that bytes that are too old are never taken for fresh.
 */
import { has } from "@backplane/memory-coherence/flow"
import { rebuiltEntry, type ReportedPage } from "@backplane/memory-coherence/rebuild"
import type { Protocol } from "@backplane/memory-coherence/rules"
import type { PagesReport } from "@backplane/memory-contract/coherence-messages"
import { newPage, pagesOf, type DirectoryPage, type Spaces } from "./directory-page.ts"

const HOLDS = ["owner", "shared", "retained"] as const
const HELD_FIELDS = 4
const STORED_FIELDS = 4

interface Found {
  readonly held: ReportedPage[]
  stored: number
  /** -1: nobody stores it. */
  home: number
  since: number
  /** The frame store says that another owned it. */
  lent: boolean
}

export interface RebuildOptions {
  readonly protocol: Protocol
  readonly nodes: number
  /** Nodes that are gone, as bits. */
  readonly gone: number
  /** Nodes whose death is the reason, as bits; 0: the directory's own. */
  readonly died: number
  readonly before: Spaces | null
  /** Where a frame goes that nobody stores. */
  readonly place: (page: { readonly space: string; readonly page: number; readonly toucher: number }) => number | null
}

export function countOf(reports: readonly PagesReport[]): number {
  return reports.reduce(
    (sum, { spaces }) => sum + spaces.reduce((all, { held, stored }) => all + held.length / HELD_FIELDS + stored.length / STORED_FIELDS, 0),
    0,
  )
}

export function rebuildPages(reports: ReadonlyMap<number, readonly PagesReport[]>, options: RebuildOptions): Spaces {
  const spaces: Spaces = new Map()
  const found = collect(reports)
  for (const [space, pages] of found)
    for (const [page, each] of pages) pagesOf(spaces, space).set(page, rebuilt(space, page, each, options))
  if (options.before === null) return spaces
  for (const [space, pages] of options.before)
    for (const [page, known] of pages) {
      const rebuiltPages = pagesOf(spaces, space)
      const now = rebuiltPages.get(page)
      if (now === undefined) {
        // Nobody alive has anything of it: it lay where the node died, or it was lost before, or it was never fetched.
        const lost = known.lost ?? [known.entry.owner, known.home].find((node) => isIn(options.died, node))
        if (lost !== undefined) rebuiltPages.set(page, keep(known, lostPage(options.nodes, known.home, lost)))
        continue
      }
      const survivors = found.get(space)?.get(page)?.held ?? []
      const owned = isIn(options.died, known.entry.owner) && !survivors.some(({ holds }) => holds === "owner")
      // A frame that was given up before says nothing of the one that died, unless a copy is as young.
      const frameless = isIn(options.died, known.home) && survivors.length === 0
      now.lost = known.lost ?? (owned ? known.entry.owner : frameless ? known.home : null)
      keep(known, now)
    }
  return spaces
}

function isIn(mask: number, node: number): boolean {
  return node >= 0 && has(mask, node)
}

/** Where the last bytes of a page may be that nobody has: asked by nobody, answered with the name of the dead. */
function lostPage(nodes: number, home: number, lost: number): DirectoryPage {
  return Object.assign(newPage(nodes, home), { lost })
}

function keep(known: DirectoryPage, now: DirectoryPage): DirectoryPage {
  const { reads, writes, replicas, moves, movedAt, seenReads, seenWrites, users, usedAt, stored, unshared } = known
  return Object.assign(now, { reads, writes, replicas, moves, movedAt, seenReads, seenWrites, users, usedAt, stored, unshared })
}

function collect(reports: ReadonlyMap<number, readonly PagesReport[]>): ReadonlyMap<string, ReadonlyMap<number, Found>> {
  const found = new Map<string, Map<number, Found>>()
  const at = (space: string, page: number): Found => {
    const pages = found.get(space) ?? new Map<number, Found>()
    found.set(space, pages)
    const known = pages.get(page) ?? { held: [], stored: 0, home: -1, since: -1, lent: false }
    pages.set(page, known)
    return known
  }
  for (const [node, parts] of [...reports].sort(([a], [b]) => a - b))
    for (const { spaces } of parts)
      for (const { space, held, stored } of spaces) {
        for (let index = 0; index + HELD_FIELDS <= held.length; index += HELD_FIELDS) {
          const [page, holds, version, serial] = fourOf(held, index)
          at(space, page).held.push({ node, holds: HOLDS[holds] ?? "retained", version, serial })
        }
        for (let index = 0; index + STORED_FIELDS <= stored.length; index += STORED_FIELDS) {
          const [page, version, since, lent] = fourOf(stored, index)
          const each = at(space, page)
          // A frame that was handed over and not yet given up is stored twice: it lies where it came last.
          if (since > each.since) Object.assign(each, { stored: version, home: node, since, lent: lent === 1 })
        }
      }
  return found
}

function fourOf(numbers: readonly number[], at: number): readonly [number, number, number, number] {
  return [numbers[at] ?? 0, numbers[at + 1] ?? 0, numbers[at + 2] ?? 0, numbers[at + 3] ?? 0]
}

function rebuilt(space: string, page: number, { held, stored, home, since, lent }: Found, options: RebuildOptions): DirectoryPage {
  const { protocol, nodes, place, before, gone } = options
  // Where the frame died, the copies are all there is: one of them will be written to a new frame.
  const entry = rebuiltEntry(protocol, { nodes, stored, since: Math.max(0, since), held })
  const toucher = (held.find(({ holds }) => holds === "owner") ?? held[0])?.node ?? 0
  // A page that was brought before its frame was ever asked for has none yet: it is where it would be placed now.
  const placed = home >= 0 ? home : (place({ space, page, toucher }) ?? toucher)
  const fresh = newPage(nodes, has(gone, placed) ? toucher : placed, entry)
  if (before === null && lent && gone !== 0 && held.length === 0) fresh.lost = lowest(gone)
  return fresh
}

function lowest(mask: number): number {
  return 31 - Math.clz32(mask & -mask)
}

export interface SpaceHurt {
  readonly space: string
  readonly node: number
  /** Pages whose only bytes were there. */
  readonly lost: number
}

/** Spaces that had state at the dead node: they ran there, or pages had their only bytes there. */
export function hurtBy(node: number, spaces: Spaces): readonly SpaceHurt[] {
  return [...spaces].flatMap(([space, pages]) => {
    const lost = [...pages.values()].filter((page) => page.lost === node).length
    const ranThere = [...pages.values()].some(({ users }) => has(users, node))
    return lost > 0 || ranThere ? [{ space, node, lost }] : []
  })
}
