/**
 * Who has how many machine frames of which node.
 *
 * Invariants: for every node, free + leased = all (I1); a task has at most one lease, that of its latest life (I2).
 */
import { assert } from "@backplane/foundation-base/assert"
import type { Lease } from "@backplane/memory-contract/memory-messages"

interface Life {
  readonly owner: string
  readonly attempt: number
}

export class FrameLedger {
  readonly #framesPerNode: number
  readonly #free: number[]
  /** By owner. */
  readonly #leases = new Map<string, Lease>()

  constructor(nodes: number, framesPerNode: number) {
    this.#framesPerNode = framesPerNode
    this.#free = new Array<number>(nodes).fill(framesPerNode)
  }

  /** Leases frames near `node`: there if it has enough, else on the nearest following node that has. Null: no node has. */
  grant(want: { readonly owner: string; readonly attempt: number; readonly frames: number; readonly node: number }): Lease | null {
    const { owner, attempt, frames, node } = want
    const held = this.#supersede(want)
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
    if (lease.home >= this.#free.length) return
    if (this.#supersede(lease) === undefined) this.#take(lease)
  }

  /** Returns the lease of this life or of a later one. That of an earlier life, which has been given up, ends. */
  #supersede({ owner, attempt }: Life): Lease | undefined {
    const held = this.#leases.get(owner)
    if (held === undefined || held.attempt >= attempt) return held
    this.release(held)
    return undefined
  }

  #take(lease: Lease): void {
    this.#free[lease.home] = (this.#free[lease.home] as number) - lease.frames
    this.#leases.set(lease.owner, lease)
    this.#check(lease.home)
  }

  release({ owner, attempt }: Life): Lease | null {
    const lease = this.#leases.get(owner)
    if (lease?.attempt !== attempt) return null
    this.#leases.delete(owner)
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
