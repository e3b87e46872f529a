/** A small guest memory and the driver side of one virtqueue, for tests of virtio devices. */
import type { GuestMemory } from "../virtio-mmio/guest-memory.ts"
import type { Device } from "../device.ts"
import { Register } from "../virtio-mmio/virtio-registers.ts"

const BASE = 0x8000_0000n
export const DESCRIPTORS = BASE
export const AVAILABLE = BASE + 0x1000n
export const USED = BASE + 0x2000n
export const BUFFERS = BASE + 0x3000n
export const QUEUE_SIZE = 8

export class FakeMemory implements GuestMemory {
  readonly bytes = new Uint8Array(0x1_0000)

  read(address: bigint, bytes: number): Uint8Array | null {
    return this.#inside(address, bytes) ? this.bytes.slice(Number(address - BASE), Number(address - BASE) + bytes) : null
  }

  write(address: bigint, data: Uint8Array): boolean {
    if (!this.#inside(address, data.length)) return false
    this.bytes.set(data, Number(address - BASE))
    return true
  }

  #inside(address: bigint, bytes: number): boolean {
    return address >= BASE && address + BigInt(bytes) <= BASE + BigInt(this.bytes.length)
  }
}

export interface FakeDescriptor {
  readonly address: bigint
  readonly bytes: number
  readonly writable: boolean
}

export class FakeDriver {
  readonly #device: Device
  readonly #view: DataView
  readonly #queue: number
  #available = 0

  /** Drives one queue of the device. */
  constructor(device: Device, memory: FakeMemory, queue = 0) {
    this.#queue = queue
    this.#device = device
    this.#view = new DataView(memory.bytes.buffer)
  }

  store(register: number, value: number): void {
    this.#device.store(register, 4, BigInt(value))
  }

  load(register: number): number {
    return Number(this.#device.load(register, 4))
  }

  /** As xv6 does it: no VERSION_1, one queue of eight. */
  start(): void {
    for (const status of [0, 1, 3, 11]) this.store(Register.status, status)
    this.store(Register.queueSelect, this.#queue)
    this.store(Register.queueSize, QUEUE_SIZE)
    for (const [register, address] of [
      [Register.descriptorsLow, DESCRIPTORS],
      [Register.availableLow, AVAILABLE],
      [Register.usedLow, USED],
    ] as const) {
      this.store(register, Number(address & 0xffff_ffffn))
      this.store(register + 4, Number(address >> 32n))
    }
    this.store(Register.queueReady, 1)
    this.store(Register.status, 15)
  }

  /** Writes a chain from descriptor `head` on and makes it available. */
  offer(head: number, chain: readonly FakeDescriptor[]): void {
    for (const [index, { address, bytes, writable }] of chain.entries()) {
      const last = index === chain.length - 1
      this.describe(head + index, { address, bytes, flags: (writable ? 2 : 0) | (last ? 0 : 1), next: head + index + 1 })
    }
    this.makeAvailable(head)
  }

  describe(index: number, { address, bytes, flags, next }: { address: bigint; bytes: number; flags: number; next: number }): void {
    const at = Number(DESCRIPTORS - BASE) + 16 * index
    this.#view.setBigUint64(at, address, true)
    this.#view.setUint32(at + 8, bytes, true)
    this.#view.setUint16(at + 12, flags, true)
    this.#view.setUint16(at + 14, next, true)
  }

  makeAvailable(head: number): void {
    this.#view.setUint16(Number(AVAILABLE - BASE) + 4 + 2 * (this.#available % QUEUE_SIZE), head, true)
    this.#available = (this.#available + 1) & 0xffff
    this.setAvailableIndex(this.#available)
  }

  setAvailableIndex(index: number): void {
    this.#view.setUint16(Number(AVAILABLE - BASE) + 2, index, true)
  }

  notify(): void {
    this.store(Register.queueNotify, this.#queue)
  }

  usedIndex(): number {
    return this.#view.getUint16(Number(USED - BASE) + 2, true)
  }

  used(slot: number): { readonly head: number; readonly written: number } {
    const at = Number(USED - BASE) + 4 + 8 * (slot % QUEUE_SIZE)
    return { head: this.#view.getUint32(at, true), written: this.#view.getUint32(at + 4, true) }
  }
}
