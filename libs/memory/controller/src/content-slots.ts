/**
 * Slots of the page store by what is in them: equal pages share one, a page of zeros takes none.
 *
 * Invariants: C1: what is read of a slot is what was put, for as long as somebody holds it. C2: a slot that somebody holds is never written
 * (copy on write: other bytes, another slot). C3: held + free = all.
 */
import { assert } from "@backplane/foundation-base/assert"
import { hashOfPage } from "@backplane/foundation-base/page-hash"
import { SLOT_BYTES, type PageDevice } from "./page-device.ts"

/** The page of zeros, which lies nowhere. */
export const ZERO_SLOT = -1

export class ContentSlots {
  readonly #device: PageDevice
  readonly #free: number[]
  /** By slot that is held: by how many, and its hash. */
  readonly #held = new Map<number, { count: number; readonly hash: number }>()
  readonly #byHash = new Map<number, number[]>()

  constructor(device: PageDevice) {
    this.#device = device
    this.#free = Array.from({ length: device.slots }, (_, index) => device.slots - 1 - index)
  }

  /** Slots that are held. */
  get used(): number {
    return this.#held.size
  }

  read(slot: number): Uint8Array {
    return slot === ZERO_SLOT ? new Uint8Array(SLOT_BYTES) : this.#device.read(slot)
  }

  /** Holds a slot with these bytes; null: there is none free. */
  put(bytes: Uint8Array): number | null {
    if (bytes.every((byte) => byte === 0)) return ZERO_SLOT
    const hash = hashOfPage(bytes)
    const equal = this.#byHash.get(hash)?.find((slot) => isEqual(this.#device.read(slot), bytes))
    if (equal !== undefined) {
      this.hold(equal)
      return equal
    }
    const slot = this.#free.pop()
    if (slot === undefined) return null
    this.#device.write(slot, bytes)
    this.#enter(slot, hash)
    return slot
  }

  /** One more holds it: after a restart, slot by slot, as the records say. */
  hold(slot: number): void {
    if (slot === ZERO_SLOT) return
    const held = this.#held.get(slot)
    if (held !== undefined) held.count += 1
    else {
      const at = this.#free.indexOf(slot)
      assert(at >= 0, "a slot that a record names is one of the device's")
      this.#free.splice(at, 1)
      this.#enter(slot, hashOfPage(this.#device.read(slot)))
    }
  }

  release(slot: number): void {
    if (slot === ZERO_SLOT) return
    const held = this.#held.get(slot)
    assert(held !== undefined, "a slot that is given back is held")
    held.count -= 1
    if (held.count > 0) return
    this.#held.delete(slot)
    const same = (this.#byHash.get(held.hash) ?? []).filter((each) => each !== slot)
    if (same.length === 0) this.#byHash.delete(held.hash)
    else this.#byHash.set(held.hash, same)
    this.#free.push(slot)
  }

  #enter(slot: number, hash: number): void {
    this.#held.set(slot, { count: 1, hash })
    this.#byHash.set(hash, [...(this.#byHash.get(hash) ?? []), slot])
  }
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false
  return true
}
