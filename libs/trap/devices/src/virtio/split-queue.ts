/** The three tables of a split queue in guest memory, read with suspicion: every address and every chain may be a lie. VIRTIO 1.2, 2.7. */
import type { GuestMemory } from "./guest-memory.ts"

export const QUEUE_ENTRIES_MAX = 256
const DESCRIPTOR_BYTES = 16
const RING_HEADER_BYTES = 4
const USED_BYTES = 8
const FLAG_NEXT = 1
const FLAG_WRITE = 2
const FLAG_INDIRECT = 4

export interface QueuePlace {
  /** A power of two up to QUEUE_ENTRIES_MAX. */
  readonly entries: number
  readonly descriptors: bigint
  readonly available: bigint
  readonly used: bigint
}

export interface Span {
  readonly address: bigint
  readonly bytes: number
}

export interface Chain {
  readonly head: number
  readonly readable: readonly Span[]
  readonly writable: readonly Span[]
}

/** The queue broke its rules: the device needs a reset. */
export const BROKEN = "broken"
export type Broken = typeof BROKEN

export class SplitQueue {
  readonly #memory: GuestMemory
  readonly #place: QueuePlace
  /** Free-running, 16 bits: chains taken, and chains given back. */
  #taken = 0
  #returned = 0

  constructor(memory: GuestMemory, place: QueuePlace) {
    this.#memory = memory
    this.#place = place
  }

  /** The next chain that the driver made available, null if there is none. */
  take(): Chain | Broken | null {
    const { entries, available } = this.#place
    const index = this.#half(available + 2n)
    if (index === null) return BROKEN
    const waiting = (index - this.#taken) & 0xffff
    if (waiting === 0) return null
    if (waiting > entries) return BROKEN
    const head = this.#half(available + BigInt(RING_HEADER_BYTES + 2 * (this.#taken % entries)))
    if (head === null || head >= entries) return BROKEN
    this.#taken = (this.#taken + 1) & 0xffff
    return this.#chain(head)
  }

  /** Gives a chain back; `bytes` were written into it. False: the used ring is not memory. */
  giveBack(head: number, bytes: number): boolean {
    const { entries, used } = this.#place
    const element = used + BigInt(RING_HEADER_BYTES + USED_BYTES * (this.#returned % entries))
    if (!this.#memory.contains(element, USED_BYTES) || !this.#memory.contains(used, RING_HEADER_BYTES)) return false
    this.#memory.write(element, words(head, bytes))
    this.#returned = (this.#returned + 1) & 0xffff
    // The index goes last: whoever sees it sees the element.
    this.#memory.write(used + 2n, Uint8Array.of(this.#returned & 0xff, this.#returned >> 8))
    return true
  }

  #chain(head: number): Chain | Broken {
    const readable: Span[] = []
    const writable: Span[] = []
    let index = head
    for (let links = 0; links < this.#place.entries; links += 1) {
      const at = this.#place.descriptors + BigInt(index * DESCRIPTOR_BYTES)
      if (!this.#memory.contains(at, DESCRIPTOR_BYTES)) return BROKEN
      const view = new DataView(this.#memory.read(at, DESCRIPTOR_BYTES).buffer)
      const span = { address: view.getBigUint64(0, true), bytes: view.getUint32(8, true) }
      const flags = view.getUint16(12, true)
      if ((flags & FLAG_INDIRECT) !== 0 || !this.#memory.contains(span.address, span.bytes)) return BROKEN
      if ((flags & FLAG_WRITE) !== 0) writable.push(span)
      else if (writable.length > 0) return BROKEN
      else readable.push(span)
      if ((flags & FLAG_NEXT) === 0) return { head, readable, writable }
      index = view.getUint16(14, true)
      if (index >= this.#place.entries) return BROKEN
    }
    return BROKEN
  }

  #half(address: bigint): number | null {
    if (!this.#memory.contains(address, 2)) return null
    const [low = 0, high = 0] = this.#memory.read(address, 2)
    return low | (high << 8)
  }
}

function words(first: number, second: number): Uint8Array {
  const bytes = new Uint8Array(USED_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, first, true)
  view.setUint32(4, second, true)
  return bytes
}
