/**
 * Pages that are equal share one frame: asks the nodes what is in pages that nobody has written for a while, and has equal ones go to the page
 * store, which compares their bytes and keeps one. Readers get copies from there; who writes gets a frame of its own first (copy on write).
 *
 * As ESX Server's content-based sharing (Waldspurger, OSDI 2002, section 4), with hashes as hints. A page that was shared in vain is looked at
 * less often, twice each time. Only spaces whose rules say so. Not here: comparing (page-store.ts), the hash (foundation/base, page-hash.ts).
 */
import { send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect } from "@backplane/foundation-actor/machine"
import type { CoherenceMessage, PagesHashes } from "@backplane/memory-contract/coherence-messages"
import type { Directory } from "./directory.ts"
import type { DirectoryPage } from "./directory-page.ts"
import type { PagePolicy } from "./page-policy.ts"

interface Out {
  push(...effects: readonly Effect<CoherenceMessage>[]): unknown
}

/** Pages that are asked for, and that go, in one look. */
const ASKED_MAX = 256
const SHARED_MAX = 64
/** From so often in vain on, a page is looked at no less often: once in 256 looks. What it is used for may change. */
const VAIN_MAX = 8

/** Whether a page that was shared in vain so often has its turn at this look. */
export function hasTurn(look: number, inVain: number): boolean {
  return look % 2 ** Math.min(inVain, VAIN_MAX) === 0
}

export class Sharing {
  readonly #directory: Directory
  readonly #policy: PagePolicy
  readonly #nodeActor: (node: number) => ActorId
  #looks = 0
  #left = SHARED_MAX

  constructor(directory: Directory, policy: PagePolicy, nodeActor: (node: number) => ActorId) {
    this.#directory = directory
    this.#policy = policy
    this.#nodeActor = nodeActor
  }

  get isActive(): boolean {
    return [...this.#directory.spaces().keys()].some((space) => this.#shares(space))
  }

  #shares(space: string): boolean {
    return this.#policy.rulesOf(space).share === true
  }

  look(out: Out): void {
    this.#looks += 1
    this.#left = SHARED_MAX
    for (const [space, pages] of this.#directory.spaces()) {
      if (!this.#shares(space)) continue
      const byNode = new Map<number, number[]>()
      let asked = 0
      for (const [number, page] of pages) {
        if (asked >= ASKED_MAX) break
        if (!this.#isDue(page)) continue
        const node = page.entry.owner >= 0 ? page.entry.owner : page.home
        byNode.set(node, [...(byNode.get(node) ?? []), number])
        asked += 1
      }
      for (const [node, numbers] of byNode)
        out.push(send(this.#nodeActor(node), { kind: "PagesHashAsk", space, epoch: this.#directory.epoch, pages: numbers }))
    }
  }

  /** Not known as it is now, not moving, and not written again and again. An owner may write without a word: it is asked each time. */
  #isDue(page: DirectoryPage): boolean {
    if (!this.#directory.canLeave(page) || !hasTurn(this.#looks, page.unshared)) return false
    return page.entry.owner >= 0 || page.hash?.serial !== page.entry.serial
  }

  /** A page is shared where its hash is what it was a look ago, and another page has the same. */
  onHashes({ space, epoch, hashes }: PagesHashes, out: Out): void {
    const pages = this.#directory.spaces().get(space)
    if (epoch !== this.#directory.epoch || pages === undefined || !this.#shares(space)) return
    const still = new Set<number>()
    for (let index = 0; index + 1 < hashes.length; index += 2) {
      const [number, value] = [hashes[index] as number, hashes[index + 1] as number]
      const page = pages.get(number)
      if (page === undefined) continue
      if (page.hash?.value === value || page.entry.owner < 0) still.add(value)
      page.hash = { value, serial: page.entry.serial }
    }
    if (still.size === 0) return
    const equal = this.#byHash(still)
    for (const group of equal.values())
      if (group.length > 1)
        for (const { isStored, ...page } of group)
          if (!isStored && this.#left > 0 && this.#directory.moveOut({ ...page, why: "shared" }, out)) this.#left -= 1
  }

  /** Pages that are shared, or could be, by what is in them. */
  #byHash(
    wanted: ReadonlySet<number>,
  ): ReadonlyMap<number, readonly { readonly space: string; readonly page: number; readonly isStored: boolean }[]> {
    const groups = new Map<number, { space: string; page: number; isStored: boolean }[]>()
    for (const [space, pages] of this.#directory.spaces()) {
      if (!this.#shares(space)) continue
      for (const [page, each] of pages) {
        if (each.hash === null || !wanted.has(each.hash.value)) continue
        const isStored = each.stored === "shared"
        if (!isStored && each.hash.serial !== each.entry.serial) continue
        const group = groups.get(each.hash.value) ?? []
        group.push({ space, page, isStored })
        groups.set(each.hash.value, group)
      }
    }
    return groups
  }
}
