/**
 * Decoded pages: a frame that was executed has a slot with one record per halfword. Keyed by machine frame, so a change of
 * translation forgets nothing, and a store to the frame forgets exactly the records it touches.
 */
import { FRAME_CODE, SLOT_BYTES, SLOT_HEADER_BYTES } from "./layout"
import { frameSlots, ram, setFrameFlag, slotCount, slots } from "./memory"
import { flushFetches, flushWrites } from "./look-up"
import { OP_PAGE_END } from "./operations"

/** Round robin: the next slot to give away. */
let hand: u32 = 0

/** The decoded page of a frame (address of its first record), made empty if there is none. */
export function slotFor(host: u32): u32 {
  const frame = (host - ram) >>> 12
  const known = load<u32>(frameSlots + (frame << 2))
  if (known != 0) return known
  const slot = slots + hand * SLOT_BYTES + SLOT_HEADER_BYTES
  hand = hand + 1 == slotCount ? 0 : hand + 1
  // The header is 0 in a slot never used: linear memory begins as zeros.
  const evicted = load<u32>(slot - SLOT_HEADER_BYTES)
  if (evicted != 0) {
    store<u32>(frameSlots + (((evicted - ram) >>> 12) << 2), 0)
    setFrameFlag(evicted, FRAME_CODE, 0)
    flushFetches()
  }
  store<u32>(slot - SLOT_HEADER_BYTES, ram + (frame << 12))
  memory.fill(slot, 0, 2048 * 8)
  store<u8>(slot + 2048 * 8, OP_PAGE_END)
  store<u32>(frameSlots + (frame << 2), slot)
  setFrameFlag(host, FRAME_CODE, 1)
  // Writable entries of any CPU for this frame would pass by the bookkeeping of stores.
  flushWrites()
  return slot
}

/** Bytes of a code frame changed: the records of instructions that contain them decode anew. */
export function forgetCode(host: u32, size: u32): void {
  const slot = load<u32>(frameSlots + (((host - ram) >>> 12) << 2))
  if (slot == 0) return
  const offset = (host - ram) & 0xfff
  // A four-byte instruction may begin one halfword before.
  const first = offset < 2 ? 0 : (offset - 2) >>> 1
  const last = (offset + size - 1) >>> 1
  memory.fill(slot + (first << 3), 0, (last - first + 1) << 3)
}
