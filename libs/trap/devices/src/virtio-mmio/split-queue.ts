/**
 * One split virtqueue, read and written in guest memory. Virtio 1.2, section 2.7.
 *
 * A driver may lie about everything: each step has a limit and an answer. Without indirect descriptors and event index (not offered).
 */
import type { GuestMemory, Span } from "./guest-memory.ts"

export const QUEUE_SIZE_MAX = 256
const DESCRIPTOR_BYTES = 16
const NEXT = 1
const WRITE = 2
const RING_HEADER_BYTES = 4
const AVAILABLE_ENTRY_BYTES = 2
const USED_ENTRY_BYTES = 8
const INDEX_AT = 2

export interface QueueState {
  readonly size: number
  readonly ready: boolean
  readonly descriptors: bigint
  readonly available: bigint
  readonly used: bigint
  /** Next entry of the available ring to look at, and next of the used ring to fill: free-running, 16 bits. */
  readonly nextAvailable: number
  readonly nextUsed: number
}

export const QUEUE_RESET: QueueState = { size: 0, ready: false, descriptors: 0n, available: 0n, used: 0n, nextAvailable: 0, nextUsed: 0 }

/** A request of the driver: what the device may read, then what it may write. */
export interface Chain {
  readonly head: number
  readonly readable: readonly Span[]
  readonly writable: readonly Span[]
}

export type Taken =
  | { readonly kind: "none" }
  | { readonly kind: "chain"; readonly chain: Chain; readonly queue: QueueState }
  /** The rings make no sense: the device needs a reset. */
  | { readonly kind: "broken"; readonly reason: string }

const NONE: Taken = { kind: "none" }

/** The next chain that the driver made available. */
export function takeChain(memory: GuestMemory, queue: QueueState): Taken {
  if (!queue.ready) return NONE
  const index = readHalf(memory, queue.available + BigInt(INDEX_AT))
  if (index === null) return broken("the available ring is not in memory")
  const waiting = (index - queue.nextAvailable) & 0xffff
  if (waiting === 0) return NONE
  if (waiting > queue.size) return broken("more chains are available than the queue holds")
  const slot = queue.nextAvailable % queue.size
  const head = readHalf(memory, queue.available + BigInt(RING_HEADER_BYTES + AVAILABLE_ENTRY_BYTES * slot))
  if (head === null) return broken("the available ring is not in memory")
  const chain = readChain(memory, { queue, head })
  if (typeof chain === "string") return broken(chain)
  return { kind: "chain", chain, queue: { ...queue, nextAvailable: (queue.nextAvailable + 1) & 0xffff } }
}

/** Gives a chain back with the number of bytes written. Entry first, then index: the driver looks at the index. Null: not memory. */
export function returnChain(
  memory: GuestMemory,
  queue: QueueState,
  { head, written }: { head: number; written: number },
): QueueState | null {
  const slot = queue.nextUsed % queue.size
  const entry = new Uint8Array(USED_ENTRY_BYTES)
  const view = new DataView(entry.buffer)
  view.setUint32(0, head, true)
  view.setUint32(4, written, true)
  const nextUsed = (queue.nextUsed + 1) & 0xffff
  const index = Uint8Array.of(nextUsed & 0xff, nextUsed >> 8)
  const placed = memory.write(queue.used + BigInt(RING_HEADER_BYTES + USED_ENTRY_BYTES * slot), entry)
  return placed && memory.write(queue.used + BigInt(INDEX_AT), index) ? { ...queue, nextUsed } : null
}

/** A chain, or what is wrong with it. A chain longer than the queue must loop. */
function readChain(memory: GuestMemory, { queue, head }: { queue: QueueState; head: number }): Chain | string {
  const readable: Span[] = []
  const writable: Span[] = []
  let at = head
  for (let length = 0; length < queue.size; length += 1) {
    if (at >= queue.size) return "a descriptor number is beyond the queue"
    const bytes = memory.read(queue.descriptors + BigInt(DESCRIPTOR_BYTES * at), DESCRIPTOR_BYTES)
    if (bytes === null) return "the descriptors are not in memory"
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const flags = view.getUint16(12, true)
    const span = { address: view.getBigUint64(0, true), bytes: view.getUint32(8, true) }
    if ((flags & WRITE) !== 0) writable.push(span)
    else if (writable.length > 0) return "a readable descriptor follows a writable one"
    else readable.push(span)
    if ((flags & NEXT) === 0) return { head, readable, writable }
    at = view.getUint16(14, true)
  }
  return "the descriptors form a loop"
}

function readHalf(memory: GuestMemory, address: bigint): number | null {
  const bytes = memory.read(address, 2)
  return bytes === null ? null : (bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8)
}

function broken(reason: string): Taken {
  return { kind: "broken", reason }
}
