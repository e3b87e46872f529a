/** The end of a run: pc, counts and raw bits go to the state block. */
import { EXIT_BUDGET, EXIT_SYSTEM, EXIT_WATCH, LAYOUT_EXIT_ADDRESS, LAYOUT_EXIT_INSTRUCTION, LAYOUT_EXIT_KIND, LAYOUT_EXIT_RETIRED, LAYOUT_INSTRET, LAYOUT_PC } from "./layout"
import { stopped } from "./access"
import { rawInstruction } from "./fetch"
import { watchAddress, watchHit } from "./memory"

let systemStop: bool = false

export function stopWithSystem(cpu: u32): void {
  store<u32>(cpu, EXIT_SYSTEM, LAYOUT_EXIT_KIND)
  systemStop = true
}

/** At a record: of the instruction that did not complete, or of the next one. */
export function leave(cpu: u32, base: u64, slot: u32, ip: u32, retired: u32): void {
  const raw = stopped || systemStop ? rawInstruction(cpu, slot, ip) : 0
  leaveAt(cpu, base + u64((ip - slot) >>> 2), retired)
  store<u32>(cpu, raw, LAYOUT_EXIT_INSTRUCTION)
}

/** At an address whose instruction was not fetched. */
export function leaveAt(cpu: u32, pc: u64, retired: u32): void {
  store<u64>(cpu, pc, LAYOUT_PC)
  store<u64>(cpu, load<u64>(cpu, LAYOUT_INSTRET) + u64(retired), LAYOUT_INSTRET)
  store<u32>(cpu, retired, LAYOUT_EXIT_RETIRED)
  store<u32>(cpu, 0, LAYOUT_EXIT_INSTRUCTION)
  if (stopped || systemStop) {
    systemStop = false
    return
  }
  store<u32>(cpu, watchHit ? EXIT_WATCH : EXIT_BUDGET, LAYOUT_EXIT_KIND)
  store<u64>(cpu, watchAddress, LAYOUT_EXIT_ADDRESS)
}
