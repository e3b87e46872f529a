/** The block device behind a queue: one chain in, sectors moved, one status byte out. VIRTIO 1.2, 5.2.6. */
import { SECTOR_BYTES, type Disk } from "./disk.ts"
import type { GuestMemory } from "./guest-memory.ts"
import type { Chain, Span } from "./split-queue.ts"

export const BLOCK_DEVICE = 2
/** VIRTIO_BLK_F_FLUSH: writes are in the overlay when they are answered, so there is nothing to do for it. */
export const BLOCK_FEATURES = 1n << 9n
/** More than this in one request is refused. */
export const REQUEST_BYTES_MAX = 4 << 20

const HEADER_BYTES = 16
const ID_BYTES = 20
const Type = { read: 0, write: 1, flush: 4, identify: 8 } as const
const Status = { ok: 0, failed: 1, unsupported: 2 } as const
const IDENTITY = "backplane"

/** Bytes written into the chain; null if the chain can not be answered at all. */
export function serveBlock(chain: Chain, { memory, disk }: { readonly memory: GuestMemory; readonly disk: Disk }): number | null {
  const last = chain.writable.at(-1)
  if (last === undefined || last.bytes === 0) return null
  const statusAt = last.address + BigInt(last.bytes - 1)
  const { status, written } = request(chain, { memory, disk })
  memory.write(statusAt, Uint8Array.of(status))
  return written + 1
}

interface Outcome {
  readonly status: number
  readonly written: number
}

const FAILED: Outcome = { status: Status.failed, written: 0 }

function request(chain: Chain, { memory, disk }: { readonly memory: GuestMemory; readonly disk: Disk }): Outcome {
  const room = total(chain.writable) - 1
  if (total(chain.readable) > REQUEST_BYTES_MAX || room > REQUEST_BYTES_MAX) return FAILED
  const input = gather(memory, chain.readable)
  if (input.length < HEADER_BYTES) return FAILED
  const header = new DataView(input.buffer)
  const sector = header.getBigUint64(8, true)
  switch (header.getUint32(0, true)) {
    case Type.read: {
      if (!onDisk(disk, sector, room)) return FAILED
      scatter(memory, chain.writable, disk.read(Number(sector), room / SECTOR_BYTES))
      return { status: Status.ok, written: room }
    }
    case Type.write: {
      const data = input.subarray(HEADER_BYTES)
      if (!onDisk(disk, sector, data.length)) return FAILED
      disk.write(Number(sector), data)
      return { status: Status.ok, written: 0 }
    }
    case Type.flush:
      return { status: Status.ok, written: 0 }
    case Type.identify: {
      const name = Uint8Array.from({ length: Math.min(ID_BYTES, room) }, (_, index) => IDENTITY.charCodeAt(index) || 0)
      scatter(memory, chain.writable, name)
      return { status: Status.ok, written: name.length }
    }
    default:
      return { status: Status.unsupported, written: 0 }
  }
}

function onDisk(disk: Disk, sector: bigint, bytes: number): boolean {
  return bytes % SECTOR_BYTES === 0 && sector + BigInt(bytes / SECTOR_BYTES) <= BigInt(disk.sectors)
}

function total(spans: readonly Span[]): number {
  return spans.reduce((sum, { bytes }) => sum + bytes, 0)
}

function gather(memory: GuestMemory, spans: readonly Span[]): Uint8Array {
  const data = new Uint8Array(total(spans))
  let at = 0
  for (const { address, bytes } of spans) {
    data.set(memory.read(address, bytes), at)
    at += bytes
  }
  return data
}

/** `data` is at most as long as the spans. */
function scatter(memory: GuestMemory, spans: readonly Span[], data: Uint8Array): void {
  let at = 0
  for (const { address, bytes } of spans) {
    const part = data.subarray(at, at + bytes)
    if (part.length > 0) memory.write(address, part)
    at += part.length
  }
}
