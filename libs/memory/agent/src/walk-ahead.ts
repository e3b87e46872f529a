/**
 * Sees that somebody goes through the pages one after the other, and says which pages will be wanted next.
 *
 * After some misses each the same step from the one before, the next pages of the walk are asked for together, twice as many each time the walk
 * has come to the end of the last ones. A miss that fits no walk ends it. As for disks: Linux reads files ahead so. Pure; not here: the requests.
 */

/** So many equal steps in a row are a walk. */
const STEPS_MIN = 3
const AHEAD_MIN = 4
/** Steps farther than this are no walk: a matrix by columns, chance. */
const STEP_MAX = 8
/** Walks at once: harts of a node. The oldest is forgotten. */
const WALKS_MAX = 16

interface Walk {
  /** The miss that it expects next. */
  next: number
  readonly step: number
  steps: number
  ahead: number
}

export class WalkAhead {
  readonly #aheadMax: number
  /** The most lately used last. */
  readonly #walks: Walk[] = []
  /** The latest misses that belong to no walk. */
  readonly #lone: number[] = []

  constructor(aheadMax: number) {
    this.#aheadMax = aheadMax
  }

  /** This page was missed. Gives the pages that should be asked for with it, in their order; may be none, and may be beyond the memory. */
  missed(page: number): readonly number[] {
    const at = this.#walks.findIndex(({ next }) => next === page)
    const walk = at < 0 ? this.#begun(page) : this.#walks.splice(at, 1)[0]
    if (walk === undefined) return []
    this.#walks.push(walk)
    if (this.#walks.length > WALKS_MAX) this.#walks.shift()
    walk.steps += 1
    walk.next = page + walk.step
    if (walk.steps < STEPS_MIN) return []
    const pages = Array.from({ length: walk.ahead }, (_, index) => page + walk.step * (index + 1))
    walk.next = page + walk.step * (walk.ahead + 1)
    walk.ahead = Math.min(this.#aheadMax, walk.ahead * 2)
    return pages
  }

  /** A second miss near one that belonged to no walk may begin one. */
  #begun(page: number): Walk | undefined {
    const from = this.#lone.findLast((lone) => lone !== page && Math.abs(page - lone) <= STEP_MAX)
    if (from === undefined) {
      this.#lone.push(page)
      if (this.#lone.length > WALKS_MAX) this.#lone.shift()
      return undefined
    }
    this.#lone.splice(this.#lone.indexOf(from), 1)
    return { next: page, step: page - from, steps: 1, ahead: Math.min(AHEAD_MIN, this.#aheadMax) }
  }
}
