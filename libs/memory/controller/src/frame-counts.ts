/** Frames that shared pages have or are on their way to, by place and by space; and pages that went to the page store and came back. */

export class FrameCounts {
  /** Number of the page store: one more than the last node's. */
  readonly storePlace: number
  readonly #byPlace: number[]
  /** Those in nodes. */
  readonly #bySpace = new Map<string, number>()
  readonly #swaps = new Map<string, { ins: number; outs: number }>()
  /** Has a frame come free since this was last asked? */
  #freed = false

  constructor(nodes: number) {
    this.storePlace = nodes
    this.#byPlace = new Array<number>(nodes + 1).fill(0)
  }

  take(space: string, place: number, count: 1 | -1): void {
    this.#byPlace[place] = this.at(place) + count
    if (place === this.storePlace) return
    this.#bySpace.set(space, this.of(space) + count)
    if (count < 0) this.#freed = true
  }

  at(place: number): number {
    return this.#byPlace[place] ?? 0
  }

  of(space: string): number {
    return this.#bySpace.get(space) ?? 0
  }

  /** By node. */
  nodes(): readonly number[] {
    return this.#byPlace.slice(0, this.storePlace)
  }

  noteFreed(): void {
    this.#freed = true
  }

  takeFreed(): boolean {
    const freed = this.#freed
    this.#freed = false
    return freed
  }

  swapsOf(space: string): { ins: number; outs: number } {
    const known = this.#swaps.get(space)
    if (known !== undefined) return known
    const swaps = { ins: 0, outs: 0 }
    this.#swaps.set(space, swaps)
    return swaps
  }

  /** All frames are counted anew. */
  clear(): void {
    this.#byPlace.fill(0)
    this.#bySpace.clear()
  }

  forget(space: string): void {
    this.#bySpace.delete(space)
    this.#swaps.delete(space)
  }
}
