/**
 * Lists by level (0 is served first) with a bit for each level that is not empty, so that the first item is found in a time that
 * depends on the number of levels / 32 and not on the number of items: the priority array of the O(1) scheduler.
 *
 * `looks` counts the words, lists and items that were looked at: what a law about cost can be stated in.
 */
import { assert } from "@backplane/foundation-base/assert"
import { TaskList } from "./task-list.ts"

const WORD_BITS = 32

export class LevelLists<T> {
  readonly #lists: readonly TaskList<T>[]
  readonly #words: Int32Array
  #length = 0
  /** Words, lists and items looked at so far. */
  looks = 0

  constructor(levels: number) {
    assert(Number.isInteger(levels) && levels >= 1, "there is a level")
    this.#lists = Array.from({ length: levels }, () => new TaskList<T>())
    this.#words = new Int32Array(Math.ceil(levels / WORD_BITS))
  }

  get length(): number {
    return this.#length
  }

  pushBack(level: number, item: T): void {
    this.#list(level).pushBack(item)
    this.#mark(level)
  }

  pushFront(level: number, item: T): void {
    this.#list(level).pushFront(item)
    this.#mark(level)
  }

  remove(level: number, item: T): boolean {
    const list = this.#list(level)
    if (!list.remove(item)) return false
    this.#length--
    if (list.length === 0) this.#words[level >> 5] = (this.#words[level >> 5] ?? 0) & ~bitOf(level)
    return true
  }

  /** The first that passes: lowest level first, oldest first within a level. */
  find(passes: (item: T) => boolean): T | undefined {
    const counted = (item: T): boolean => {
      this.looks++
      return passes(item)
    }
    for (let level = this.#nextLevel(0); level >= 0; level = this.#nextLevel(level + 1)) {
      const found = this.#list(level).find(counted)
      if (found !== undefined) return found
    }
    return undefined
  }

  items(): readonly T[] {
    return this.#lists.flatMap((list) => list.items())
  }

  #list(level: number): TaskList<T> {
    const list = this.#lists[level]
    assert(list !== undefined, "the level exists")
    return list
  }

  #mark(level: number): void {
    this.#length++
    this.#words[level >> 5] = (this.#words[level >> 5] ?? 0) | bitOf(level)
  }

  /** The first level from `from` on that is not empty, or −1. */
  #nextLevel(from: number): number {
    for (let word = from >> 5; word < this.#words.length; word++) {
      this.looks++
      const shift = word === from >> 5 ? from & 31 : 0
      const bits = ((this.#words[word] ?? 0) << shift) >>> 0
      if (bits !== 0) return word * WORD_BITS + shift + Math.clz32(bits)
    }
    return -1
  }
}

/** Level 0 is the highest bit of word 0: then the first level is the count of leading zeros. */
function bitOf(level: number): number {
  return 1 << (31 - (level & 31))
}
