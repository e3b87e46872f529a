/** The last `capacity` items, oldest first; what falls out is counted, never lost in silence. */
import { assert } from "./assert.ts"

export class RingBuffer<T> {
  readonly #slots: (T | undefined)[]
  #start = 0
  #length = 0
  #dropped = 0

  constructor(capacity: number) {
    assert(Number.isInteger(capacity) && capacity > 0, "a ring has at least one slot")
    this.#slots = new Array<T | undefined>(capacity).fill(undefined)
  }

  get length(): number {
    return this.#length
  }

  /** How many items were overwritten since the ring was made. */
  get dropped(): number {
    return this.#dropped
  }

  /** Adds the newest item; overwrites the oldest when full. */
  push(item: T): void {
    const capacity = this.#slots.length
    this.#slots[(this.#start + this.#length) % capacity] = item
    if (this.#length < capacity) {
      this.#length++
    } else {
      this.#start = (this.#start + 1) % capacity
      this.#dropped++
    }
  }

  /** Takes the oldest item. */
  shift(): T | undefined {
    if (this.#length === 0) return undefined
    const item = this.#slots[this.#start]
    this.#slots[this.#start] = undefined
    this.#start = (this.#start + 1) % this.#slots.length
    this.#length--
    return item
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let index = 0; index < this.#length; index++) yield this.#slots[(this.#start + index) % this.#slots.length] as T
  }
}
