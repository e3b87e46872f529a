/**
 * A map for what comes and goes, such as the requests that are under way: small at any moment, with much passing through.
 *
 * V8's `Map` takes a new table whenever the old one is full of what was deleted, and the old one keeps a pointer to the new (for iterators that are
 * still on it). Once one table has lived long enough to be in the old generation, it holds on to the next, which is then kept and moved there as well
 * with all that was in it, and so on: until the next full collection nothing that passes through such a map is let go while it is young. Of a
 * store's request that was two thirds of what its collections had to copy (`bench kv`, sampled heap). So this one begins a map of its own now and
 * then, before there is a chain: a copy of what is in it for each time that as much has come.
 */

/** Fewer would be copied too often; a map of as many has not taken more than a few tables. */
const RENEWED_AFTER = 64

export class YoungMap<Key, Value> {
  #map = new Map<Key, Value>()
  /** New keys since the map was begun. */
  #added = 0

  get size(): number {
    return this.#map.size
  }

  get(key: Key): Value | undefined {
    return this.#map.get(key)
  }

  has(key: Key): boolean {
    return this.#map.has(key)
  }

  set(key: Key, value: Value): void {
    if (++this.#added > RENEWED_AFTER && this.#added > this.#map.size) {
      this.#map = new Map(this.#map)
      this.#added = 0
    }
    this.#map.set(key, value)
  }

  delete(key: Key): boolean {
    return this.#map.delete(key)
  }

  /** As they are now, oldest first: what comes or goes meanwhile changes nothing in it. */
  values(): Value[] {
    return [...this.#map.values()]
  }

  /** Oldest first. */
  entries(): [Key, Value][] {
    return [...this.#map]
  }

  /** The oldest key; undefined where there is none. */
  firstKey(): Key | undefined {
    return this.#map.keys().next().value
  }

  /** Whether one is so. `test` changes nothing. */
  some(test: (value: Value) => boolean): boolean {
    for (const value of this.#map.values()) if (test(value)) return true
    return false
  }
}
