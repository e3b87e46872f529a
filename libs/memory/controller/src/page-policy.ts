/**
 * Carries out what memory/placement decides: where a new page's frame goes, and which pages move or are copied, from the misses that the
 * nodes tell. One look at all pages of a space in each interval; the moves are the directory's.
 */
import { event, send } from "@backplane/foundation-actor/effects"
import type { Effect } from "@backplane/foundation-actor/machine"
import type { CoherenceMessage, PageCounts } from "@backplane/memory-contract/coherence-messages"
import type { SpaceMoved, SpaceShared } from "@backplane/memory-contract/memory-messages"
import type { SpaceRules } from "@backplane/memory-contract/memory-operator-messages"
import { nodesOf } from "@backplane/memory-coherence/flow"
import { decideMoves, PLACEMENT_RULES, remoteMisses, type PageUse } from "@backplane/memory-placement/decide-moves"
import { FOLLOW_RULES, followMoves } from "@backplane/memory-placement/follow"
import { placePage } from "@backplane/memory-placement/place-page"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { HYPERVISOR, partOf } from "@backplane/scenario-machine/topology"
import type { Directory } from "./directory.ts"
import type { DirectoryPage, Pages } from "./directory-page.ts"

interface Out {
  push(...effects: readonly Effect<CoherenceMessage | SpaceShared>[]): unknown
}

export const DEFAULT_SPACE_RULES: SpaceRules = {
  placement: { kind: "first-touch" },
  byToucher: [],
  migrate: false,
  replicate: false,
  hotMisses: PLACEMENT_RULES.hotMisses,
}

export interface SpaceCounts {
  migrations: number
  replications: number
  refused: number
}

/** Nodes that each write a page so often in an interval (a share of what makes it hot) share it for certain: their vCPUs belong together. */
const TOGETHER_SHARE = 4
const TOGETHER_MAX = 16
/** Pages that go along with one vCPU: the hottest. A move is a few messages each, all at once. */
const FOLLOW_PAGES_MAX = 128

export class PagePolicy {
  readonly #rules = new Map<string, SpaceRules>()
  readonly #counts = new Map<string, SpaceCounts>()
  readonly #together = new Map<string, readonly { readonly page: number; readonly nodes: number[] }[]>()
  readonly #given: ReadonlyMap<string, SpaceRules>
  readonly #part: { readonly index: number; readonly of: number }
  #interval = 0

  /** `part`: which of how many controllers this is of; absent: the only one. `given`: the scenario's, for spaces that have none of their own. */
  constructor(
    part: { readonly index: number; readonly of: number } = { index: 0, of: 1 },
    given: ReadonlyMap<string, SpaceRules> = new Map(),
  ) {
    this.#part = part
    this.#given = given
  }

  /** Frames that the pages of the space whose home is here may have; null: any. */
  framesMaxOf(space: string): number | null {
    const { framesMax } = this.rulesOf(space)
    return framesMax === undefined ? null : Math.max(1, partOf(framesMax, this.#part))
  }

  rulesOf(space: string): SpaceRules {
    return this.#rules.get(space) ?? this.#given.get(space) ?? DEFAULT_SPACE_RULES
  }

  setRules(space: string, rules: SpaceRules): void {
    this.#rules.set(space, rules)
  }

  forget(space: string): void {
    this.#rules.delete(space)
    this.#counts.delete(space)
    this.#together.delete(space)
  }

  countsOf(space: string): SpaceCounts {
    const known = this.#counts.get(space)
    if (known !== undefined) return known
    const counts = { migrations: 0, replications: 0, refused: 0 }
    this.#counts.set(space, counts)
    return counts
  }

  /** Pages that several nodes write in turn, as the last look found them. */
  togetherOf(space: string): readonly { readonly page: number; readonly nodes: number[] }[] {
    return this.#together.get(space) ?? []
  }

  /** Is there a space whose pages move? One that the scenario alone names may never be opened. */
  isActive(opened: { has(space: string): boolean }): boolean {
    const named = [...this.#rules.keys(), ...[...this.#given.keys()].filter((space) => opened.has(space))]
    return named.some((space) => {
      const { migrate, replicate, follow } = this.rulesOf(space)
      return migrate || replicate || follow === true
    })
  }

  /** Where pages go that CPUs of this node touch first. */
  placementFor(space: string, toucher: number): SpaceRules["placement"] {
    const rules = this.rulesOf(space)
    return rules.byToucher.find(({ node }) => node === toucher)?.placement ?? rules.placement
  }

  /** The node for the frame of a page that has none in a node; null: memory is out, or the space has all that it may. */
  place(
    { space, page, toucher }: { readonly space: string; readonly page: number; readonly toucher: number },
    { free, has }: { readonly free: readonly number[]; readonly has: number },
  ): number | null {
    const framesMax = this.framesMaxOf(space)
    if (framesMax !== null && has >= framesMax) return null
    return placePage(this.placementFor(space, toucher), { page, toucher }, free)
  }

  /** One interval is over. */
  look(directory: Directory, framesFree: readonly number[], out: Out): void {
    this.#interval += 1
    for (const [space, pages] of directory.spaces()) this.#lookAt(directory, { space, pages: pages as Pages, framesFree }, out)
  }

  #lookAt(
    directory: Directory,
    { space, pages, framesFree }: { readonly space: string; readonly pages: Pages; readonly framesFree: readonly number[] },
    out: Out,
  ): void {
    const rules = this.rulesOf(space)
    const uses: PageUse[] = []
    const together: { page: number; nodes: number[] }[] = []
    for (const [number, page] of pages) {
      const use = useOf(number, page)
      const writers = use.writes.flatMap((count, node) => (count >= Math.max(2, rules.hotMisses / TOGETHER_SHARE) ? [node] : []))
      if (writers.length > 1 && together.length < TOGETHER_MAX) together.push({ page: number, nodes: writers })
      page.olderReads = page.seenReads
      page.olderWrites = page.seenWrites
      page.seenReads = [...page.reads]
      page.seenWrites = [...page.writes]
      if (page.lost === null && page.stored === null) uses.push(use)
    }
    this.#sayTogether(space, together, out)
    if (!rules.migrate && !rules.replicate) return
    const placementRules = { ...PLACEMENT_RULES, hotMisses: rules.hotMisses, replicateMisses: Math.max(1, rules.hotMisses >> 1) }
    for (const move of decideMoves(uses, placementRules, { interval: this.#interval, framesFree })) {
      const page = pages.get(move.page)
      if (page === undefined) continue
      const want = { space, page: move.page }
      if (move.kind === "migrate" && rules.migrate) {
        if (directory.move({ ...want, to: move.to }, out) !== null) continue
        this.countsOf(space).migrations += 1
      } else if (move.kind === "replicate" && rules.replicate) {
        if (directory.replicate({ ...want, on: move.on }, out) !== null) continue
        this.countsOf(space).replications += move.on.length
      } else {
        // The write has taken the copies already; nobody is told to fetch them again.
        if (move.kind === "collapse") page.replicas = []
        continue
      }
      page.moves += 1
      page.movedAt = this.#interval
    }
  }

  /** The vCPU that used these pages runs elsewhere: what was its own goes along, where the rules say so. How many pages that is. */
  follow(
    directory: Directory,
    { space, from, to, framesFree }: Pick<SpaceMoved, "space" | "from" | "to"> & { readonly framesFree: number },
    out: Out,
  ): number {
    const pages = directory.spaces().get(space)
    if (pages === undefined || this.rulesOf(space).follow !== true) return 0
    const uses = [...pages].flatMap(([number, page]) =>
      page.lost === null && page.stored === null ? [useOf(number, page, { reads: page.olderReads, writes: page.olderWrites })] : [],
    )
    const rules = { ...FOLLOW_RULES, pagesMax: FOLLOW_PAGES_MAX }
    let moved = 0
    for (const { page: number } of followMoves(uses, { from, to }, { rules, framesFree })) {
      const page = pages.get(number)
      if (page === undefined || directory.move({ space, page: number, to }, out) !== null) continue
      page.moves += 1
      page.movedAt = this.#interval
      moved += 1
    }
    this.countsOf(space).migrations += moved
    out.push(event("pages-followed", { "backplane.space": space, "backplane.node": to, "backplane.count": moved }))
    return moved
  }

  /** The hint to whoever places tasks: again while it is so, and once when it is over. */
  #sayTogether(space: string, together: { page: number; nodes: number[] }[], out: Out): void {
    const before = this.togetherOf(space)
    this.#together.set(space, together)
    const nodes = [...new Set(together.flatMap(({ nodes: writers }) => writers))].sort((a, b) => a - b)
    if (nodes.length > 0 || before.length > 0) out.push(send(HYPERVISOR, { kind: "SpaceShared", space, nodes }))
    for (const { page, nodes } of together)
      if (!before.some((each) => each.page === page))
        out.push(event("pages-written-in-turn", { "backplane.space": space, "backplane.page": page, "backplane.nodes": nodes.join(" ") }))
  }
}

/** The rules that a scenario gives to spaces, whole. */
export function givenRules({ memory }: Pick<MachineSpec, "memory">): ReadonlyMap<string, SpaceRules> {
  return new Map((memory?.spaces ?? []).map(({ name, ...rules }) => [name, { ...DEFAULT_SPACE_RULES, ...rules }]))
}

/** The levels that a node tells; those of an earlier life of the node are followed by lower ones. */
export function noteCounts(pages: ReadonlyMap<number, DirectoryPage> | undefined, { node, counts }: PageCounts): void {
  for (let index = 0; index + 2 < counts.length; index += 3) {
    const [number, reads, writes] = counts.slice(index, index + 3) as [number, number, number]
    const page = pages?.get(number)
    if (page === undefined || node >= page.reads.length) continue
    page.reads[node] = reads
    page.writes[node] = writes
  }
}

/** Since the last look, or an earlier one. */
function useOf(
  number: number,
  page: DirectoryPage,
  before: { readonly reads: readonly number[]; readonly writes: readonly number[] } = { reads: page.seenReads, writes: page.seenWrites },
): PageUse {
  const since = (now: readonly number[], seen: readonly number[]): number[] =>
    now.map((count, node) => (count >= (seen[node] ?? 0) ? count - (seen[node] ?? 0) : count))
  const { home, moves, movedAt, entry } = page
  return {
    page: number,
    home,
    replicas: nodesOf(entry.sharers).filter((node) => node !== home && page.replicas.includes(node)),
    reads: since(page.reads, before.reads),
    writes: since(page.writes, before.writes),
    moves,
    movedAt,
  }
}

/** Misses that the node's own frame served, and all others. */
export function missesOf(pages: ReadonlyMap<number, DirectoryPage>): { readonly local: number; readonly remote: number } {
  let local = 0
  let remote = 0
  for (const { home, reads, writes } of pages.values()) {
    const all = reads.reduce((sum, count, node) => sum + count + (writes[node] ?? 0), 0)
    const far = remoteMisses({ page: 0, home, replicas: [], reads, writes, moves: 0, movedAt: null })
    remote += far
    local += all - far
  }
  return { local, remote }
}
