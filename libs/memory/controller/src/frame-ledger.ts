/**
 * Who has how many machine frames of which node.
 *
 * Invariants: for every node, free + leased = all; a lease is here once for each life of its task; nothing is leased twice.
 */
import { assert } from "@backplane/foundation-base/assert"
import type { Lease } from "@backplane/memory-contract/memory-messages"

export class FrameLedger {
  readonly #framesPerNode: number
  readonly #free: number[]
  readonly #leases = new Map<string, Lease>()

  constructor(nodes: number, framesPerNode: number) {
    this.#framesPerNode = framesPerNode
    this.#free = new Array<number>(nodes).fill(framesPerNode)
  }

  /** Leases frames near `node`: there if it has enough, else on the nearest following node that has. Null: no node has. */
  grant(want: { readonly owner: string; readonly attempt: number; readonly frames: number; readonly node: number }): Lease | null {
    const { owner, attempt, frames, node } = want
    const held = this.#leases.get(keyOf(want))
    if (held !== undefined) return held
    for (let step = 0; step < this.#free.length; step++) {
      const home = (node + step) % this.#free.length
      if ((this.#free[home] as number) < frames) continue
      const lease = { owner, attempt, frames, home }
      this.#take(lease)
      return lease
    }
    return null
  }

  /** Enters a lease that a node says it has: for a controller that has forgotten. */
  adopt(lease: Lease): void {
    if (lease.home < this.#free.length && !this.#leases.has(keyOf(lease))) this.#take(lease)
  }

  #take(lease: Lease): void {
    this.#free[lease.home] = (this.#free[lease.home] as number) - lease.frames
    this.#leases.set(keyOf(lease), lease)
    this.#check(lease.home)
  }

  release(owner: { readonly owner: string; readonly attempt: number }): Lease | null {
    const lease = this.#leases.get(keyOf(owner))
    if (lease === undefined) return null
    this.#leases.delete(keyOf(owner))
    this.#free[lease.home] = (this.#free[lease.home] as number) + lease.frames
    this.#check(lease.home)
    return lease
  }

  free(): readonly number[] {
    return this.#free
  }

  leases(): readonly Lease[] {
    return [...this.#leases.values()]
  }

  #check(node: number): void {
    const free = this.#free[node] as number
    assert(free >= 0, "no frame is leased twice")
    assert(free <= this.#framesPerNode, "no frame is given back twice")
  }
}

function keyOf({ owner, attempt }: { readonly owner: string; readonly attempt: number }): string {
  return `${owner}/${attempt}`
}
