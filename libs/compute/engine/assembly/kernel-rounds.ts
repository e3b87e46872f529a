/**
 * A CPU that goes round in its kernel: where it turns interrupts on with pc and registers as they were, and was in no user program since, it has most likely
 * looked through its run queue and found nothing. That is a guess: a round may have changed memory. Who uses it may lose time only.
 *
 * One place is kept and compared with; another takes its turn after 2, 4, 8 … further ones (Brent's way to find a cycle), so a round of any length is found in its third
 * time. A kernel that does something has other registers at each such place: counters and pointers of its loops are there.
 */
import { LAYOUT_CAME_BACK, LAYOUT_PC, LAYOUT_ROUND_LIMIT, LAYOUT_ROUND_MARK, LAYOUT_ROUND_PASSED } from "./layout"

const REGISTERS: u32 = 32
const LIMIT_FIRST: u32 = 2
const LIMIT_MAX: u32 = 4096
/** Odd, with bits all over: 2^64 over the golden ratio. */
const SPREAD: u64 = 0x9e3779b97f4a7c15

export function forgetRound(cpu: u32): void {
  store<u64>(cpu, 0, LAYOUT_ROUND_MARK)
}

/** Has it been here before? Noted as CAME_BACK then, and looked for again. */
export function cameRound(cpu: u32): bool {
  const here = digest(cpu)
  if (load<u64>(cpu, LAYOUT_ROUND_MARK) == here) {
    store<u32>(cpu, 0, LAYOUT_ROUND_PASSED)
    store<u32>(cpu, 1, LAYOUT_CAME_BACK)
    return true
  }
  const limit = load<u64>(cpu, LAYOUT_ROUND_MARK) == 0 ? u32(0) : load<u32>(cpu, LAYOUT_ROUND_LIMIT)
  const passed = load<u32>(cpu, LAYOUT_ROUND_PASSED) + 1
  store<u32>(cpu, passed, LAYOUT_ROUND_PASSED)
  if (passed < limit) return false
  store<u64>(cpu, here, LAYOUT_ROUND_MARK)
  store<u32>(cpu, 0, LAYOUT_ROUND_PASSED)
  store<u32>(cpu, limit == 0 ? LIMIT_FIRST : min<u32>(LIMIT_MAX, limit << 1), LAYOUT_ROUND_LIMIT)
  return false
}

/** Never 0. */
function digest(cpu: u32): u64 {
  let sum = load<u64>(cpu, LAYOUT_PC)
  for (let register: u32 = 1; register < REGISTERS; register++) {
    sum = (sum ^ load<u64>(cpu + (register << 3))) * SPREAD
    sum ^= sum >> 29
  }
  return sum | 1
}
