/** Rights to frames: what the host lets the CPUs do with one, whatever their own tables say. Where they are asked for: translate.ts. */
import { FRAME_ABSENT, FRAME_READ_ONLY } from "./layout"
import { flushFrame } from "./look-up"
import { breakReservations, flagsOf, frameSlots, ram, setFrameFlag } from "./memory"

/** What the CPUs may do with a frame from now on: 0 nothing, 1 read, 2 all. On return none of them knows a way that does more. */
export function setFrameRights(host: u32, rights: u32): void {
  const before = flagsOf(host)
  setFrameFlag(host, FRAME_ABSENT, rights == 0 ? 1 : 0)
  setFrameFlag(host, FRAME_READ_ONLY, rights == 1 ? 1 : 0)
  if (rights == 2) return
  // To a frame without rights nobody has a way; to one that may be read nobody has a way to store.
  if (before & FRAME_ABSENT || (rights == 1 && before & FRAME_READ_ONLY)) return
  flushFrame(host, load<u32>(frameSlots + (((host - ram) >>> 12) << 2)), rights)
  if (rights == 0) breakReservations(0, host, 4096)
}
