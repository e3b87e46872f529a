/**
 * virtio-blk: requests of the driver become requests to a disk, answers of the disk go back. The essay is README.md of this folder.
 *
 * Not here: the disk. It answers when it likes, in any order.
 */
import { cut, gather, scatter, total, type GuestMemory, type Span } from "../virtio-mmio/guest-memory.ts"
import type { Chain } from "../virtio-mmio/split-queue.ts"
import type { GiveBack, VirtioFunction } from "../virtio-mmio/virtio-mmio.ts"

export const SECTOR_BYTES = 512
/** One request moves at most this much. */
export const REQUEST_BYTES_MAX = 1 << 20

export type DiskRequest =
  | { readonly kind: "read"; readonly tag: number; readonly sector: bigint; readonly bytes: number }
  | { readonly kind: "write"; readonly tag: number; readonly sector: bigint; readonly data: Uint8Array }
  | { readonly kind: "flush"; readonly tag: number }

/** `data` for a read: as many bytes as asked. */
export type DiskAnswer = { readonly kind: "done"; readonly data?: Uint8Array } | { readonly kind: "failed" }

export interface BlockOptions {
  readonly sectors: bigint
  readonly writable: boolean
  /** Up to 20 characters, for the driver. */
  readonly identity: string
  readonly memory: GuestMemory
  readonly submit: (request: DiskRequest) => void
  /** What the driver took of the features, once it is ready. */
  readonly negotiated?: (features: bigint) => void
}

export const FEATURE_FLUSH = 1n << 9n
const DEVICE_BLOCK = 2
const FEATURE_READ_ONLY = 1n << 5n
const HEADER_BYTES = 16
const IDENTITY_BYTES = 20
const Type = { read: 0, write: 1, flush: 4, identity: 8 } as const
const Outcome = { ok: 0, failed: 1, unsupported: 2 } as const

interface Pending {
  readonly chain: Chain
  /** Where data goes, without the status byte. */
  readonly data: readonly Span[]
  readonly giveBack: GiveBack
}

export class VirtioBlock implements VirtioFunction {
  readonly device = DEVICE_BLOCK
  readonly queues = 1
  readonly features: bigint
  readonly configuration: Uint8Array
  readonly #options: BlockOptions
  /** By tag; at most as many as the queue holds. */
  readonly #pending = new Map<number, Pending>()
  #nextTag = 0

  constructor(options: BlockOptions) {
    this.#options = options
    this.features = FEATURE_FLUSH | (options.writable ? 0n : FEATURE_READ_ONLY)
    this.configuration = new Uint8Array(8)
    new DataView(this.configuration.buffer).setBigUint64(0, options.sectors, true)
  }

  negotiated(features: bigint): void {
    this.#options.negotiated?.(features)
  }

  reset(): void {
    this.#pending.clear()
  }

  take(chain: Chain, giveBack: GiveBack): void {
    const room = total(chain.writable)
    const header = gather(this.#options.memory, cut(chain.readable, { skip: 0, bytes: HEADER_BYTES }))
    // Without a byte for the status there is no way to answer but to give the chain back.
    if (room === 0) return giveBack({ head: chain.head, written: 0 })
    const pending = { chain, giveBack, data: cut(chain.writable, { skip: 0, bytes: room - 1 }) }
    if (header === null || header.length < HEADER_BYTES) return this.#finish(pending, { outcome: Outcome.failed, written: 0 })
    const view = new DataView(header.buffer, header.byteOffset)
    this.#begin(pending, { type: view.getUint32(0, true), sector: view.getBigUint64(8, true) })
  }

  /** The disk's answer to a request. Unknown tags are of before a reset. */
  complete(tag: number, answer: DiskAnswer): void {
    const pending = this.#pending.get(tag)
    if (pending === undefined) return
    this.#pending.delete(tag)
    if (answer.kind === "failed") return this.#finish(pending, { outcome: Outcome.failed, written: 0 })
    this.#finishWith(pending, answer.data ?? new Uint8Array(0))
  }

  #begin(pending: Pending, { type, sector }: { type: number; sector: bigint }): void {
    switch (type) {
      case Type.read:
        return this.#read(pending, sector)
      case Type.write:
        return this.#write(pending, sector)
      case Type.flush:
        return this.#submit(pending, (tag) => ({ kind: "flush", tag }))
      case Type.identity:
        return this.#finishWith(pending, identityBytes(this.#options.identity))
      default:
        return this.#finish(pending, { outcome: Outcome.unsupported, written: 0 })
    }
  }

  #read(pending: Pending, sector: bigint): void {
    const bytes = total(pending.data)
    if (!this.#fits(sector, bytes)) return this.#finish(pending, { outcome: Outcome.failed, written: 0 })
    this.#submit(pending, (tag) => ({ kind: "read", tag, sector, bytes }))
  }

  #write(pending: Pending, sector: bigint): void {
    const spans = cut(pending.chain.readable, { skip: HEADER_BYTES, bytes: Infinity })
    const bytes = total(spans)
    const data = this.#options.writable && this.#fits(sector, bytes) ? gather(this.#options.memory, spans) : null
    if (data === null) return this.#finish(pending, { outcome: Outcome.failed, written: 0 })
    this.#submit(pending, (tag) => ({ kind: "write", tag, sector, data }))
  }

  /** Whole sectors, inside the disk, not too many at once. Looked at before any byte is moved. */
  #fits(sector: bigint, bytes: number): boolean {
    if (bytes === 0 || bytes > REQUEST_BYTES_MAX || bytes % SECTOR_BYTES !== 0) return false
    return sector + BigInt(bytes / SECTOR_BYTES) <= this.#options.sectors
  }

  #submit(pending: Pending, make: (tag: number) => DiskRequest): void {
    const tag = this.#nextTag
    this.#nextTag += 1
    this.#pending.set(tag, pending)
    this.#options.submit(make(tag))
  }

  #finishWith(pending: Pending, data: Uint8Array): void {
    const written = Math.min(data.length, total(pending.data))
    const placed = scatter(this.#options.memory, pending.data, data)
    this.#finish(pending, placed ? { outcome: Outcome.ok, written } : { outcome: Outcome.failed, written: 0 })
  }

  /** The status is the last writable byte. It is counted as written, and so is all before it. */
  #finish({ chain, giveBack }: Pending, { outcome, written }: { outcome: number; written: number }): void {
    const room = total(chain.writable)
    const status = cut(chain.writable, { skip: room - 1, bytes: 1 })
    const placed = scatter(this.#options.memory, status, Uint8Array.of(outcome))
    giveBack({ head: chain.head, written: placed ? written + 1 : 0 })
  }
}

function identityBytes(identity: string): Uint8Array {
  const bytes = new Uint8Array(IDENTITY_BYTES)
  Array.from(identity.slice(0, IDENTITY_BYTES), (character, index) => (bytes[index] = character.charCodeAt(0) & 0x7f))
  return bytes
}
