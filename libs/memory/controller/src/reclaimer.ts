/**
 * Wins frames back where nodes run short of them, as memory/placement decides: asks guests to give pages back, has pages go to the page store,
 * and says when there is nothing left to win.
 *
 * Invariants: R1: a page goes only while the store has room for it, less a reserve that lets pages come in and others go out in turn. R2: who
 * waits for a frame is either waited for by a page under way, or is refused with the remedy.
 */
import { send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect } from "@backplane/foundation-actor/machine"
import { Random } from "@backplane/foundation-base/random"
import type { CoherenceMessage } from "@backplane/memory-contract/coherence-messages"
import type { MemoryLevel } from "@backplane/memory-contract/memory-operator-messages"
import {
  allowedNodes,
  balloonTargets,
  chooseVictims,
  missingForBalloon,
  missingForSwap,
  reclaimLevel,
} from "@backplane/memory-placement/reclaim"
import type { Directory } from "./directory.ts"
import type { DirectoryPage } from "./directory-page.ts"
import type { PagePolicy } from "./page-policy.ts"

interface Out {
  push(...effects: readonly Effect<CoherenceMessage>[]): unknown
}

/** Pages on their way to the store at once. */
const LEAVING_MAX = 64
/** Pages that go where one frame is waited for: the next ones will be wanted soon. */
const BATCH = 4
/** Slots that first touches do not take: pages that come in need others to go out first. */
const RESERVE_MAX = 16

export interface ReclaimerOptions {
  readonly directory: Directory
  readonly policy: PagePolicy
  readonly nodes: number
  readonly nodeActor: (node: number) => ActorId
  /** Frames of each node; free ones of each. */
  readonly frames: number
  readonly free: () => readonly number[]
  readonly isGone: (node: number) => boolean
  readonly storePages: number
}

type Candidate = DirectoryPage & { readonly space: string; readonly page: number }

export class Reclaimer {
  readonly #options: ReclaimerOptions
  readonly #random = new Random("reclaim")
  /** By space: pages that its guest was asked to do without. */
  #targets: ReadonlyMap<string, number> = new Map()

  constructor(options: ReclaimerOptions) {
    this.#options = options
  }

  levels(): readonly MemoryLevel[] {
    return this.#options.free().map((free, node) => (this.#options.isGone(node) ? "high" : reclaimLevel(free, this.#options.frames)))
  }

  targetOf(space: string): number {
    return this.#targets.get(space) ?? 0
  }

  /** Is there anything to look after? */
  get isActive(): boolean {
    const { directory, storePages } = this.#options
    if (storePages === 0 || directory.spaces().size === 0) return false
    return this.#targets.size > 0 || this.levels().some((level) => level !== "high")
  }

  /** One look at all nodes. */
  look(out: Out): void {
    const { directory, free, frames, isGone } = this.#options
    if (this.#options.storePages === 0) return
    this.#askGuests(out)
    free().forEach((left, node) => {
      if (isGone(node)) return
      const missing = missingForSwap(left, frames) - this.#leaving(node)
      for (const { space, page } of this.#victims([node], Math.min(LEAVING_MAX, missing)))
        directory.moveOut({ space, page, why: "swapped" }, out)
    })
  }

  #askGuests(out: Out): void {
    const { directory, free, frames, isGone, nodeActor, nodes } = this.#options
    const short = this.levels().some((level) => level !== "high")
    const missing = short ? free().reduce((sum, left, node) => sum + (isGone(node) ? 0 : missingForBalloon(left, frames)), 0) : 0
    const spaces = [...directory.spaces()].map(([space, pages]) => {
      const given = [...pages.values()].filter(({ stored }) => stored === "given").length
      return { space, frames: directory.frames().of(space), given }
    })
    const targets = new Map([...(missing === 0 ? [] : balloonTargets(spaces, missing))].filter(([, pages]) => pages > 0))
    // Said again while it holds, for what was said may have been lost; and once when it holds no more.
    for (const space of new Set([...this.#targets.keys(), ...targets.keys()]))
      for (let node = 0; node < nodes; node++)
        if (!isGone(node))
          out.push(send(nodeActor(node), { kind: "PagesBalloon", space, epoch: directory.epoch, pages: targets.get(space) ?? 0 }))
    this.#targets = targets
  }

  /** No frame for a page of this space: null where one will come free, else why not. */
  short({ space, page, toucher }: { readonly space: string; readonly page: number; readonly toucher: number }, out: Out): string | null {
    const { directory, policy, nodes, storePages, isGone } = this.#options
    const framesMax = policy.framesMaxOf(space)
    const over = framesMax !== null && directory.frames().of(space) >= framesMax
    if (storePages === 0)
      return over
        ? `${space} has its ${framesMax ?? 0} frames, and the machine has no page store; give it a greater framesMax, or the machine swapPages`
        : `no node that the placement of ${space} allows has a free frame; give the machine more framesPerNode, or swapPages`
    const remedy = "give the machine more framesPerNode or swapPages, or stop a space"
    const allowed = allowedNodes(policy.placementFor(space, toucher), { page, toucher }, nodes).filter((node) => !isGone(node))
    if (allowed.some((node) => this.#leaving(node) > 0)) return null
    const isComing = directory.spaces().get(space)?.has(page) === true
    // A first touch leaves the reserve alone.
    const room = directory.storeRoom - (isComing ? 0 : Math.min(RESERVE_MAX, Math.ceil(storePages / 8)))
    if (room <= 0) {
      if (isComing && directory.isMoving) return null
      return `no node that the placement of ${space} allows has a free frame, and the page store of ${storePages} pages is full; ${remedy}`
    }
    for (const victim of this.#victims(allowed, Math.min(BATCH, room), over ? space : undefined))
      directory.moveOut({ space: victim.space, page: victim.page, why: "swapped" }, out)
    if (allowed.some((node) => this.#leaving(node) > 0) || directory.isMoving) return null
    return over
      ? `${space} has its ${framesMax ?? 0} frames, and none of them can be won back now; give it a greater framesMax`
      : `no node that the placement of ${space} allows has a frame that could be won back; ${remedy}`
  }

  /** Pages of this node that are on their way to the store. */
  #leaving(node: number): number {
    return this.#options.directory.leavingFrom(node)
  }

  #victims(nodes: readonly number[], count: number, only?: string): readonly Candidate[] {
    if (count <= 0) return []
    const { directory } = this.#options
    for (const node of nodes) {
      const candidates: Candidate[] = []
      for (const [space, pages] of directory.spaces())
        if (only === undefined || only === space)
          for (const [page, entry] of pages)
            if (entry.home === node && directory.canLeave(entry)) candidates.push({ ...entry, space, page })
      const chosen = chooseVictims(candidates, count, this.#random)
      if (chosen.length > 0) return chosen
    }
    return []
  }
}
