/**
 * What all CPUs of a node share: RAM, the flags of its frames, and reservations.
 * AssemblyScript, not TypeScript. The layout is src/layout.ts; its numbers come from "./layout", made when this is built.
 */
import { CPU_BYTES, FRAME_ABSENT, FRAME_CODE, FRAME_READ_ONLY, FRAME_RESERVED, FRAME_TABLE, FRAME_WATCHED, GRANULE_BYTES, LAYOUT_RESERVATION, STATES } from "./layout"
import { forgetCode } from "./code-cache"
import { TIMED } from "./fidelity"
import { othersWrote } from "./own-stores"
import { tableWritten } from "./tables"

export const RAM_BASE: u64 = 0x80000000

export let ram: u32 = 0
export let ramBytes: u64 = 0
export let frameFlags: u32 = 0
export let frameSlots: u32 = 0
export let slots: u32 = 0
export let slotCount: u32 = 0
export let cpuCount: u32 = 0

/** A store to a watched page completed: leave after this instruction. */
export let watchHit: bool = false
export let watchAddress: u64 = 0

export function configure(ramAt: u32, bytes: f64, flagsAt: u32, frameSlotsAt: u32, slotsAt: u32, slotCountIs: u32, cpus: u32): void {
  ram = ramAt
  ramBytes = u64(bytes)
  frameFlags = flagsAt
  frameSlots = frameSlotsAt
  slots = slotsAt
  slotCount = slotCountIs
  cpuCount = cpus
}

export function clearWatchHit(): void {
  watchHit = false
}

/** Unsigned wrap-around makes addresses below RAM_BASE huge. */
// @ts-ignore: decorator
@inline
export function inRam(physical: u64, size: u32): bool {
  return physical - RAM_BASE <= ramBytes - u64(size)
}

// @ts-ignore: decorator
@inline
export function hostOf(physical: u64): u32 {
  return ram + u32(physical - RAM_BASE)
}

// @ts-ignore: decorator
@inline
export function flagsOf(host: u32): u32 {
  return load<u8>(frameFlags + ((host - ram) >>> 12))
}

/** May the CPUs not read this frame, or not write it though they must? */
// @ts-ignore: decorator
@inline
export function lacksRights(host: u32, write: u32): bool {
  return (flagsOf(host) & (write ? FRAME_ABSENT | FRAME_READ_ONLY : FRAME_ABSENT)) != 0
}

/** Bookkeeping after bytes of one frame changed, by CPU `writer` or by a device (0). Only frames with a flag need it. */
export function afterStore(writer: u32, host: u32, size: u32): void {
  const flags = flagsOf(host)
  if (flags == 0) return
  if (flags & FRAME_TABLE) tableWritten(host)
  afterUpdate(writer, host, size)
}

/** The same of what a walk writes, A and D: no look-up entry made before says anything else. */
export function afterUpdate(writer: u32, host: u32, size: u32): void {
  const flags = flagsOf(host)
  if (flags == 0) return
  if (flags & FRAME_CODE) forgetCode(host, size)
  if (flags & FRAME_RESERVED) breakReservations(writer, host, size)
  if (flags & FRAME_WATCHED && writer != 0) {
    watchHit = true
    watchAddress = u64(host - ram) + RAM_BASE
  }
}

/** A CPU's own stores leave its own reservation alone. */
export function breakReservations(writer: u32, host: u32, size: u32): void {
  const first = host / GRANULE_BYTES
  const last = (host + size - 1) / GRANULE_BYTES
  for (let index: u32 = 0; index < cpuCount; index++) {
    const cpu = STATES + index * CPU_BYTES
    if (cpu == writer) continue
    const reserved = load<u32>(cpu, LAYOUT_RESERVATION)
    if (reserved != 0 && reserved / GRANULE_BYTES >= first && reserved / GRANULE_BYTES <= last) store<u32>(cpu, 0, LAYOUT_RESERVATION)
  }
}

/** Device writes into RAM: `size` bytes from `host` have been changed; may span frames. */
export function afterDeviceWrite(host: u32, size: u32): void {
  if (!TIMED) othersWrote()
  breakReservations(0, host, size)
  let at = host
  const end = host + size
  while (at < end) {
    const frameEnd = min<u32>(end, ((at - ram) & ~0xfff) + 4096 + ram)
    afterStore(0, at, frameEnd - at)
    at = frameEnd
  }
}

export function setFrameFlag(host: u32, flag: u32, on: u32): void {
  const at = frameFlags + ((host - ram) >>> 12)
  store<u8>(at, on ? load<u8>(at) | u8(flag) : load<u8>(at) & ~u8(flag))
}
