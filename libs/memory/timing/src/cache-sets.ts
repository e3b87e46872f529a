/** One cache or TLB as lists: plain enough to be believed, for the reference. */
import { defined } from "@backplane/foundation-base/assert"

export interface Line<State> {
  readonly line: number
  state: State
}

/** A set-associative cache; each set is a list of ways, the newest first. A way that was emptied is filled before any other is lost. */
export class LruCache<State> {
  readonly #sets: (Line<State> | null)[][]

  constructor({ sets, ways }: { readonly sets: number; readonly ways: number }) {
    this.#sets = Array.from({ length: sets }, () => new Array<Line<State> | null>(ways).fill(null))
  }

  #set(line: number): (Line<State> | null)[] {
    return defined(this.#sets[line % this.#sets.length], "a line has a set")
  }

  /** Without touching it. */
  find(line: number): Line<State> | null {
    return this.#set(line).find((way) => way?.line === line) ?? null
  }

  /** Becomes the newest of its set. */
  touch(line: number): void {
    const set = this.#set(line)
    const at = set.findIndex((way) => way?.line === line)
    set.unshift(...set.splice(at, 1))
  }

  /** Gives what had to go. */
  insert(line: number, state: State): Line<State> | null {
    const set = this.#set(line)
    const empty = set.indexOf(null)
    const [victim] = set.splice(empty < 0 ? set.length - 1 : empty, 1)
    set.unshift({ line, state })
    return victim ?? null
  }

  /** Its way stays, empty. */
  drop(line: number): Line<State> | null {
    const set = this.#set(line)
    const at = set.findIndex((way) => way?.line === line)
    if (at < 0) return null
    const [found] = set.splice(at, 1, null)
    return found ?? null
  }
}

/** A TLB replaced first in, first out, set by set. */
export class FifoTlb {
  readonly #sets: { readonly ways: (string | null)[]; hand: number }[]

  constructor({ sets, ways }: { readonly sets: number; readonly ways: number }) {
    this.#sets = Array.from({ length: sets }, () => ({ ways: new Array<string | null>(ways).fill(null), hand: 0 }))
  }

  /** Was the page there? It is now. */
  touch(root: bigint, page: number): boolean {
    const set = defined(this.#sets[page % this.#sets.length], "a page has a set")
    const tag = `${root} ${page}`
    if (set.ways.includes(tag)) return true
    set.ways[set.hand] = tag
    set.hand = (set.hand + 1) % set.ways.length
    return false
  }

  flush(): void {
    for (const set of this.#sets) {
      set.ways.fill(null)
      set.hand = 0
    }
  }
}
