/**
 * Who has how many machine frames of which node.
 *
 * Invariants: for every node, free + leased + shared = all (I1); a task has at most one lease, that of its latest life (I2).
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
  /** By node: frames of shared pages. */
  readonly #shared: number[]
  /** Dead nodes: their frames are granted to nobody. */
  readonly #gone = new Set<number>()
  /** By owner. */
  readonly #leases = new Map<string, Lease>()

  constructor(nodes: number, framesPerNode: number) {
    this.#framesPerNode = framesPerNode
    this.#free = new Array<number>(nodes).fill(framesPerNode)
    this.#shared = new Array<number>(nodes).fill(0)
  }

  /** How many frames of a node its shared pages take now. */
  setShared(node: number, frames: number): void {
    this.#shared[node] = frames
  }

  setGone(node: number, how: "dead" | "alive"): void {
    if (how === "dead") this.#gone.add(node)
    else this.#gone.delete(node)
  }

  /** Leases frames near `node`: there if it has enough, else on the nearest following node that has. Null: no node has. */
  grant(want: { readonly owner: string; readonly attempt: number; readonly frames: number; readonly node: number }): Lease | null {
    const { owner, attempt, frames, node } = want
    const held = this.#supersede(want)
    if (held !== undefined) return held
    for (let step = 0; step < this.#free.length; step++) {
      const home = (node + step) % this.#free.length
      if (this.#gone.has(home) || this.#left(home) < frames) continue
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

  /** Of each node. */
  get frames(): number {
    return this.#framesPerNode
  }

  isGone(node: number): boolean {
    return this.#gone.has(node)
  }

  /** Frames of a node that no lease has. */
  unleased(node: number): number {
    return this.#free[node] ?? 0
  }

  /** Frames that neither a lease nor a shared page has. */
  free(): readonly number[] {
    return this.#free.map((_, node) => this.#left(node))
  }

  /** Those that can be given out: none of a dead node. */
  open(): readonly number[] {
    return this.#free.map((_, node) => (this.#gone.has(node) ? 0 : this.#left(node)))
  }

  /** A rebuild may find more shared pages than there was room for: then there is none. */
  #left(node: number): number {
    return Math.max(0, (this.#free[node] ?? 0) - (this.#shared[node] ?? 0))
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
