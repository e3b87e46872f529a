/**
 * Which pages of the guest a virtio device will read or write: known from the registers of its queues and the descriptors in memory.
 *
 * A device must find them at its node before it begins, for it cannot wait in the middle. All descriptors of a queue are looked at, in use or
 * not: a few pages too many do no harm. Virtio 1.2, sections 2.7 (split virtqueues) and 4.2 (MMIO).
 */
import { RAM_BASE, virtioPlace, VIRTIO_SLOTS } from "../address-map/virt-map.ts"
import { QUEUE_SIZE_MAX } from "./split-queue.ts"
import type { GuestMemory } from "./guest-memory.ts"

const { base: FIRST, bytes } = virtioPlace(0)
const SLOT_BYTES = BigInt(bytes)
const SLOTS = BigInt(VIRTIO_SLOTS)
const PAGE_BYTES = 4096
const PAGE_SHIFT = 12n
const DESCRIPTOR_BYTES = 16
const QUEUE_NUM = 0x38
const NOTIFY = 0x50
const LOW = [0x80, 0x90, 0xa0] as const

interface Queue {
  size: number
  /** Descriptors, available ring, used ring. */
  readonly addresses: [bigint, bigint, bigint]
}

/** The guest's RAM, whether its pages are here or not. */
export interface DmaMemory extends Pick<GuestMemory, "read"> {
  isMemory(address: bigint, bytes: number): boolean
}

export class DmaPages {
  readonly #memory: DmaMemory
  readonly #queues = new Map<bigint, Queue>()

  constructor(memory: DmaMemory) {
    this.#memory = memory
  }

  /** Notes a store to a device's register. True: it makes the device work on its queue. */
  stored(address: bigint, value: bigint): boolean {
    if (address < FIRST || address >= FIRST + SLOT_BYTES * SLOTS) return false
    const slot = address & ~(SLOT_BYTES - 1n)
    const offset = Number(address & (SLOT_BYTES - 1n))
    const queue = this.#queues.get(slot) ?? { size: 0, addresses: [0n, 0n, 0n] }
    this.#queues.set(slot, queue)
    if (offset === QUEUE_NUM) queue.size = Math.min(Number(value), QUEUE_SIZE_MAX)
    LOW.forEach((low, index) => {
      const known = queue.addresses[index] ?? 0n
      if (offset === low) queue.addresses[index] = (known & ~0xffff_ffffn) | value
      if (offset === low + 4) queue.addresses[index] = (known & 0xffff_ffffn) | (value << 32n)
    })
    return offset === NOTIFY
  }

  /** Of the device at that address, by number from the beginning of RAM. As far as the descriptors can be read here now: where their own page is missing, that page is the first to be brought. */
  pages(address: bigint): readonly number[] {
    const queue = this.#queues.get(address & ~(SLOT_BYTES - 1n))
    if (queue === undefined) return []
    const pages = new Set<number>()
    const add = (from: bigint, bytes: number): void => {
      if (bytes === 0 || !this.#memory.isMemory(from, bytes)) return
      const last = (from + BigInt(bytes - 1) - RAM_BASE) >> PAGE_SHIFT
      for (let page = (from - RAM_BASE) >> PAGE_SHIFT; page <= last; page++) pages.add(Number(page))
    }
    const [descriptors, available, used] = queue.addresses
    add(descriptors, queue.size * DESCRIPTOR_BYTES)
    add(available, 6 + 2 * queue.size)
    add(used, 6 + 8 * queue.size)
    for (let index = 0; index < queue.size; index++) {
      const at = descriptors + BigInt(index * DESCRIPTOR_BYTES)
      const descriptor = this.#memory.read(at, DESCRIPTOR_BYTES)
      if (descriptor === null) continue
      const view = new DataView(descriptor.buffer, descriptor.byteOffset, DESCRIPTOR_BYTES)
      const bytes = view.getUint32(8, true)
      if (bytes <= BUFFER_BYTES_MAX) add(view.getBigUint64(0, true), bytes)
    }
    return [...pages]
  }
}

/** A descriptor that says more is left over from something else. */
const BUFFER_BYTES_MAX = 64 * PAGE_BYTES
