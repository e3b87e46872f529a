/** Answers operators: maps, counts, moves by hand, rules of spaces. A move is answered when the frame lies where it was wanted. */
import { send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect } from "@backplane/foundation-actor/machine"
import { nodesOf } from "@backplane/memory-coherence/flow"
import type { CoherenceMessage } from "@backplane/memory-contract/coherence-messages"
import type {
  MemoryAnswer,
  MemoryMoveAsk,
  MemoryOperatorAsk,
  PageView,
  SpaceClose,
  SpaceView,
} from "@backplane/memory-contract/memory-operator-messages"
import type { Directory } from "./directory.ts"
import type { DirectoryPage, Pages } from "./directory-page.ts"
import type { FrameLedger } from "./frame-ledger.ts"
import { missesOf, type PagePolicy } from "./page-policy.ts"
import type { Reclaimer } from "./reclaimer.ts"

interface Out {
  push(...effects: readonly Effect<MemoryAnswer | CoherenceMessage | SpaceClose>[]): unknown
}

/** Pages in one answer. */
const PAGES_MAX = 512
/** Moves that wait for their end; a repeat of the question begins anew. */
const WAITING_MAX = 1_000

interface DeskParts {
  readonly directory: Directory
  readonly policy: PagePolicy
  readonly ledger: FrameLedger
  readonly reclaimer: Reclaimer
  readonly framesPerNode: number
  readonly incarnation: number
  /** The page store, where there is one. */
  readonly store: ActorId | null
  /** How many memory controllers there are. */
  readonly controllers: number
}

export class MemoryDesk {
  readonly #parts: DeskParts
  /** Moves that were asked for, by request, until they are done. */
  readonly #waiting = new Map<string, { readonly from: ActorId; readonly ask: MemoryMoveAsk }>()

  /** Spaces whose end the page store has not heard yet, by request. */
  readonly #closing = new Map<string, ActorId>()
  /** What the page store last told. */
  #stored: MemoryAnswer["store"] = null

  constructor(parts: DeskParts) {
    this.#parts = parts
  }

  onAsk(from: ActorId, ask: MemoryOperatorAsk, out: Out): void {
    switch (ask.kind) {
      case "MemoryMapAsk":
        return this.#answer(from, ask.request, { map: ask }, out)
      case "MemoryMoveAsk":
        return this.#onMove(from, ask, out)
      case "MemoryReplicateAsk": {
        const reason = this.#parts.directory.replicate(ask, out)
        if (reason === null) this.#parts.policy.countsOf(ask.space).replications += ask.on.length
        return this.#answer(from, ask.request, { reason, page: ask }, out)
      }
      case "SpaceClose": {
        // What the store keeps would else be taken for pages of a space of the same name: answered when it has forgotten them.
        const { store } = this.#parts
        if (store === null) return this.#answer(from, ask.request, {}, out)
        if (this.#closing.has(ask.request) || this.#closing.size < WAITING_MAX) this.#closing.set(ask.request, from)
        return void out.push(send(store, ask))
      }
      case "SpaceRulesAsk":
        // Kept by the controller, who writes them down.
        return this.#answer(from, ask.request, {}, out)
    }
  }

  /** The page store has forgotten a space. */
  onClosed(request: string, out: Out): void {
    const from = this.#closing.get(request)
    this.#closing.delete(request)
    if (from !== undefined) this.#answer(from, request, {}, out)
  }

  noteStored({ pages, slots, slotsMax }: NonNullable<MemoryAnswer["store"]>): void {
    this.#stored = { pages, slots, slotsMax }
  }

  #onMove(from: ActorId, ask: MemoryMoveAsk, out: Out): void {
    const { directory, policy } = this.#parts
    if (this.#waiting.has(ask.request)) return // asked again while it is under way
    if (this.#pageOf(ask)?.home === ask.to) return this.#answer(from, ask.request, { page: ask }, out)
    const reason = this.#waiting.size >= WAITING_MAX ? "too many moves are under way; ask again" : directory.move(ask, out)
    if (reason !== null) return this.#answer(from, ask.request, { reason, page: ask }, out)
    policy.countsOf(ask.space).migrations += 1
    this.#waiting.set(ask.request, { from, ask })
  }

  /** After each step: moves that have ended are answered. */
  settle(out: Out): void {
    for (const [request, { from, ask }] of this.#waiting) {
      const page = this.#pageOf(ask)
      const isThere = page?.home === ask.to
      if (!isThere && page?.lost === null && page.entry.transaction?.kind === "Move") continue
      this.#waiting.delete(request)
      this.#answer(from, request, { reason: isThere ? null : "a node died while the page moved; ask again", page: ask }, out)
    }
  }

  #pageOf({ space, page }: { readonly space: string; readonly page: number }): DirectoryPage | undefined {
    return this.#parts.directory.spaces().get(space)?.get(page)
  }

  #answer(
    to: ActorId,
    request: string,
    about: {
      readonly reason?: string | null
      readonly map?: { readonly space?: string; readonly from?: number }
      readonly page?: { readonly space: string; readonly page: number }
    },
    out: Out,
  ): void {
    const { directory, incarnation } = this.#parts
    const { map, page } = about
    const space = map?.space
    const unknown = space !== undefined && !directory.spaces().has(space)
    const reason = unknown ? `there is no space ${space}; \`memory map\` lists them` : (about.reason ?? null)
    const { pages, next } = this.#pages(space, map?.from ?? 0)
    const one = page === undefined ? undefined : this.#pageOf(page)
    const spaces = page === undefined ? (space === undefined ? [...directory.spaces().keys()] : [space]) : []
    out.push(
      send(to, {
        kind: "MemoryAnswer",
        request,
        answer: reason === null ? "done" : "refused",
        reason: reason ?? "",
        incarnation,
        controllers: this.#parts.controllers,
        epoch: directory.epoch,
        nodes: this.#nodes(),
        store: this.#stored,
        spaces: unknown ? [] : spaces.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)).map((each) => this.#space(each)),
        pages: one === undefined || page === undefined ? pages : [viewOf(page.page, one)],
        next,
      }),
    )
  }

  #nodes(): MemoryAnswer["nodes"] {
    const { directory, ledger, framesPerNode, reclaimer } = this.#parts
    const shared = directory.frames().nodes()
    const levels = reclaimer.levels()
    return ledger.free().map((free, node) => {
      const taken = shared[node] ?? 0
      return {
        node,
        frames: framesPerNode,
        free,
        leased: framesPerNode - ledger.unleased(node),
        shared: taken,
        dead: ledger.isGone(node),
        level: levels[node] ?? "high",
      }
    })
  }

  #pages(space: string | undefined, from: number): { readonly pages: PageView[]; readonly next: number | null } {
    const all = space === undefined ? undefined : this.#parts.directory.spaces().get(space)
    const numbers = [...(all?.keys() ?? [])].filter((page) => page >= from).sort((a, b) => a - b)
    const pages = numbers.slice(0, PAGES_MAX).flatMap((number) => {
      const page = all?.get(number)
      return page === undefined ? [] : [viewOf(number, page)]
    })
    return { pages, next: numbers[PAGES_MAX] ?? null }
  }

  #space(space: string): SpaceView {
    const { directory, policy, ledger, reclaimer } = this.#parts
    const pages = (directory.spaces().get(space) ?? new Map()) as Pages
    const nodes = ledger.free().length
    const byHome = new Array<number>(nodes).fill(0)
    const reads = new Array<number>(nodes).fill(0)
    const writes = new Array<number>(nodes).fill(0)
    let lost = 0
    const stored = { swapped: 0, shared: 0, given: 0 }
    for (const page of pages.values()) {
      if (page.lost === null && page.home === nodes) stored[page.stored ?? "swapped"] += 1
      else if (page.lost === null) byHome[page.home] = (byHome[page.home] ?? 0) + 1
      else lost += 1
      for (let node = 0; node < nodes; node++) {
        reads[node] = (reads[node] ?? 0) + (page.reads[node] ?? 0)
        writes[node] = (writes[node] ?? 0) + (page.writes[node] ?? 0)
      }
    }
    const { local, remote } = missesOf(pages)
    return {
      space,
      rules: policy.rulesOf(space),
      pages: pages.size,
      byHome,
      reads,
      writes,
      localMisses: local,
      remoteMisses: remote,
      ...policy.countsOf(space),
      stored,
      swapIns: directory.frames().swapsOf(space).ins,
      swapOuts: directory.frames().swapsOf(space).outs,
      balloon: reclaimer.targetOf(space),
      lost,
      hurt: directory.hurt().flatMap((each) => (each.space === space ? [{ node: each.node, lost: each.lost }] : [])),
      together: policy.togetherOf(space).map(({ page, nodes: writers }) => ({ page, nodes: [...writers] })),
    }
  }
}

function viewOf(number: number, { home, entry, lost, reads, writes, moves }: DirectoryPage): PageView {
  const { state, owner, sharers } = entry
  return {
    page: number,
    home,
    state: lost === null ? state : "lost",
    owner: owner < 0 ? null : owner,
    sharers: [...nodesOf(sharers)],
    reads: [...reads],
    writes: [...writes],
    moves,
  }
}
