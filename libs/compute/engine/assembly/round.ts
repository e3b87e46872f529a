/** Finds a loop that nothing inside can end: registers and pc come back, and nothing between changed memory or left. What that proves: trap/vmm, idle-loop. */
import {
  BANK_FETCH, BANK_WRITE, EXIT_BUDGET, LAYOUT_BANK, LAYOUT_EXIT_KIND, LAYOUT_EXIT_RETIRED, LAYOUT_PC,
} from "./layout" // prettier-ignore
import { clearStopped } from "./access"
import { fetchPage, rawInstruction } from "./fetch"
import { entryOf } from "./look-up"
import { run } from "./module"
import { endWatch } from "./own-stores"

const REGISTERS_BYTES: u32 = 256
const AMO: u32 = 0x2f
/** Functions of that opcode. */
const LR: u32 = 2
const SC: u32 = 3
const KEPT = u32(memory.data(256, 8))

/**
 * Steps on until the state is what it was, `most` instructions at most: how many a round has, or 0. The steps are ordinary execution; their number
 * and how the last one ended are in the exit fields.
 */
export function findRound(cpu: u32, most: u32): u32 {
  endWatch(cpu) // whose way of stores would not be found in the look-up TLB
  memory.copy(KEPT, cpu, REGISTERS_BYTES)
  const start = load<u64>(cpu, LAYOUT_PC)
  let steps: u32 = 0
  let round: u32 = 0
  store<u32>(cpu, EXIT_BUDGET, LAYOUT_EXIT_KIND)
  while (steps < most && !leavesTraces(cpu)) {
    const word = swapped
    const before = word == 0 ? 0 : load<u64>(word)
    run(cpu, 1)
    steps += load<u32>(cpu, LAYOUT_EXIT_RETIRED)
    if (load<u32>(cpu, LAYOUT_EXIT_KIND) != EXIT_BUDGET || (word != 0 && load<u64>(word) != before)) break
    if (load<u64>(cpu, LAYOUT_PC) == start && memory.compare(KEPT, cpu, REGISTERS_BYTES) == 0) {
      round = steps
      break
    }
  }
  store<u32>(cpu, steps, LAYOUT_EXIT_RETIRED)
  return round
}

/** Where the next instruction, an AMO, works: the eight bytes around it in linear memory; 0: it is none. */
let swapped: u32 = 0

/**
 * May the next instruction write memory, or leave? Or can it not be told. Privileged and unprivileged manual, opcode maps. An AMO may, but a spin lock that is taken is
 * written as it was, over and over: whoever steps looks at what is there afterwards.
 */
function leavesTraces(cpu: u32): bool {
  swapped = 0
  const pc = load<u64>(cpu, LAYOUT_PC)
  if ((pc & 0xfff) == 0xffe) return true
  const entry = entryOf(load<u32>(cpu, LAYOUT_BANK) + BANK_FETCH, pc)
  const slot = load<u64>(entry) == (pc & ~0xfff) ? load<u32>(entry, 8) : fetchPage(cpu, pc)
  if (slot == 0) {
    clearStopped()
    store<u32>(cpu, EXIT_BUDGET, LAYOUT_EXIT_KIND)
    return true
  }
  const raw = rawInstruction(cpu, slot, slot + ((u32(pc) & 0xfff) << 2))
  if ((raw & 0x7f) != AMO) return writes(raw)
  swapped = swappedBy(cpu, raw)
  return swapped == 0
}

/** LR and SC, and what is not in the look-up TLB as plain memory to write, count as writing. */
function swappedBy(cpu: u32, raw: u32): u32 {
  const operation = raw >>> 27
  if (operation == LR || operation == SC) return 0
  const at = load<u64>(cpu + (((raw >>> 15) & 31) << 3))
  const entry = entryOf(load<u32>(cpu, LAYOUT_BANK) + BANK_WRITE, at)
  return load<u64>(entry) == (at & ~0xfff) ? (u32(at) + load<u32>(entry, 8)) & ~7 : 0
}

function writes(raw: u32): bool {
  const opcode = raw & 0x7f
  // Stores, system.
  if ((raw & 3) == 3) return opcode == 0x23 || opcode == 0x73
  // Quadrants 0 and 2: functions 5 to 7 are the stores; c.ebreak lies in function 4 of quadrant 2.
  return (raw & 3) != 1 && (((raw >>> 13) & 7) >= 5 || raw == 0x9002)
}
