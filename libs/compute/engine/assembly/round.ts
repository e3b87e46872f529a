/** Finds a loop that nothing inside can end: registers and pc come back, and nothing between wrote memory or left. What that proves: trap/vmm, idle-loop. */
import {
  BANK_FETCH, EXIT_BUDGET, LAYOUT_BANK, LAYOUT_EXIT_KIND, LAYOUT_EXIT_RETIRED, LAYOUT_PC,
} from "./layout" // prettier-ignore
import { clearStopped } from "./access"
import { fetchPage, rawInstruction } from "./fetch"
import { entryOf } from "./look-up"
import { run } from "./module"

const REGISTERS_BYTES: u32 = 256
const KEPT = u32(memory.data(256, 8))

/**
 * Steps on until the state is what it was, `most` instructions at most: how many a round has, or 0. The steps are ordinary execution; their number
 * and how the last one ended are in the exit fields.
 */
export function findRound(cpu: u32, most: u32): u32 {
  memory.copy(KEPT, cpu, REGISTERS_BYTES)
  const start = load<u64>(cpu, LAYOUT_PC)
  let steps: u32 = 0
  let round: u32 = 0
  store<u32>(cpu, EXIT_BUDGET, LAYOUT_EXIT_KIND)
  while (steps < most && !leavesTraces(cpu)) {
    run(cpu, 1)
    steps += load<u32>(cpu, LAYOUT_EXIT_RETIRED)
    if (load<u32>(cpu, LAYOUT_EXIT_KIND) != EXIT_BUDGET) break
    if (load<u64>(cpu, LAYOUT_PC) == start && memory.compare(KEPT, cpu, REGISTERS_BYTES) == 0) {
      round = steps
      break
    }
  }
  store<u32>(cpu, steps, LAYOUT_EXIT_RETIRED)
  return round
}

/** May the next instruction write memory, or leave? Or can it not be told. Privileged and unprivileged manual, opcode maps. */
function leavesTraces(cpu: u32): bool {
  const pc = load<u64>(cpu, LAYOUT_PC)
  if ((pc & 0xfff) == 0xffe) return true
  const entry = entryOf(load<u32>(cpu, LAYOUT_BANK) + BANK_FETCH, pc)
  const slot = load<u64>(entry) == (pc & ~0xfff) ? load<u32>(entry, 8) : fetchPage(cpu, pc)
  if (slot == 0) {
    clearStopped()
    store<u32>(cpu, EXIT_BUDGET, LAYOUT_EXIT_KIND)
    return true
  }
  return writes(rawInstruction(cpu, slot, slot + ((u32(pc) & 0xfff) << 2)))
}

function writes(raw: u32): bool {
  const opcode = raw & 0x7f
  // Stores, atomics, system.
  if ((raw & 3) == 3) return opcode == 0x23 || opcode == 0x2f || opcode == 0x73
  // Quadrants 0 and 2: functions 5 to 7 are the stores; c.ebreak lies in function 4 of quadrant 2.
  return (raw & 3) != 1 && (((raw >>> 13) & 7) >= 5 || raw == 0x9002)
}
