/**
 * Fences that cost nothing: a CPU that carries out its own sfence.vma forgets its look-ups only if a table that they came from was written.
 *
 * Every frame that a walk reads a table in is flagged, so its stores come to `afterStore`; the first one ends the flag and is noted for all CPUs.
 * T1: a CPU whose TABLES_CHANGED is 0 holds no look-up that came from a table of another content, but for A and D.
 */
import { CPU_BYTES, FRAME_TABLE, LAYOUT_SERVE, LAYOUT_TABLES_CHANGED, SERVE_TABLES, STATES } from "./layout"
import { TIMED } from "./fidelity"
import { flushAll, flushFrame, flushPage } from "./look-up"
import { cpuCount, flagsOf, setFrameFlag } from "./memory"

/** A walk is about to read an entry there. */
// @ts-ignore: decorator
@inline
export function readsTable(cpu: u32, host: u32): void {
  if (!TIMED && load<u32>(cpu, LAYOUT_SERVE) & SERVE_TABLES && !(flagsOf(host) & FRAME_TABLE)) noteTable(host & ~0xfff)
}

function noteTable(host: u32): void {
  setFrameFlag(host, FRAME_TABLE, 1)
  // Ways to store that were made before would pass by.
  flushFrame(host, 0, 1)
}

export function tableWritten(host: u32): void {
  setFrameFlag(host, FRAME_TABLE, 0)
  for (let index: u32 = 0; index < cpuCount; index++) store<u32>(STATES + index * CPU_BYTES, 1, LAYOUT_TABLES_CHANGED)
}

/** sfence.vma: of one page, or of all. */
export function fence(cpu: u32, virtual: u64, page: u32): void {
  if (load<u32>(cpu, LAYOUT_SERVE) & SERVE_TABLES && !load<u32>(cpu, LAYOUT_TABLES_CHANGED)) return
  if (page) flushPage(cpu, virtual)
  else flushAll(cpu)
}
