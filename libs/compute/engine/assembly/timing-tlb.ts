/**
 * The timed build only: the TLB of a core, as the architecture would have it, shared by its threads. Replaced first in, first out, so that
 * a hit changes nothing: the look-up TLB holds only pages that are in here, and whatever hits there needs no look here.
 * A tag is root << 27 | virtual page number (Sv39 has 27 bits); 0: empty.
 */
import {
  BANK_BYTES, BANK_COUNT, BANK_FETCH, BANK_KEY_BYTES, BANK_READ, BANK_WRITE, CORE_CPU_COUNT, CORE_FIRST_CPU, COUNTER_TLB_MISSES, COUNTER_TLB_STALL,
  CPU_BYTES, LAYOUT_BANKS, LAYOUT_BANK_KEYS, LAYOUT_MODE, LAYOUT_ROOT, LAYOUT_SECOND_STAGE, MODE_BARE, STATES,
} from "./layout" // prettier-ignore
import { entryOf } from "./look-up"
import { clockOf, coreOf, count, stall, tlbHands, tlbMask, tlbMiss, tlbTags, tlbWays } from "./timing-state"
import { privilegeFor } from "./translate"

const PAGE_NUMBER: u64 = 0x7ff_ffff

/** A translated access to the page of `virtual`; the translation is known to succeed. */
export function touchPage(cpu: u32, virtual: u64, access: u32): void {
  const bare = load<u32>(cpu, LAYOUT_MODE) == MODE_BARE || privilegeFor(cpu, access) == 3
  if (bare && load<u64>(cpu, LAYOUT_SECOND_STAGE) == 0) return
  const page = (virtual >> 12) & PAGE_NUMBER
  const tag = (load<u64>(cpu, LAYOUT_ROOT) << 27) | page
  const core = coreOf(cpu)
  const set = core + tlbTags + (((u32(page) & tlbMask) * tlbWays) << 3)
  const end = set + (tlbWays << 3)
  for (let at = set; at < end; at += 8) if (load<u64>(at) == tag) return
  const clock = clockOf(cpu)
  count(clock, COUNTER_TLB_MISSES, 1)
  count(clock, COUNTER_TLB_STALL, tlbMiss)
  stall(tlbMiss)
  const hand = core + tlbHands + ((u32(page) & tlbMask) << 2)
  const way = load<u32>(hand)
  store<u32>(hand, way + 1 == tlbWays ? 0 : way + 1)
  const victim = load<u64>(set + (way << 3))
  store<u64>(set + (way << 3), tag)
  if (victim != 0) forget(core, victim)
}

/** A page left since it was last asked: the code under way may lie in it. */
let pageLost: bool = false

export function takePageLost(): bool {
  const lost = pageLost
  pageLost = false
  return lost
}

/** No thread of the core may hit a page in its look-up TLB that is no longer here. */
function forget(core: u32, victim: u64): void {
  pageLost = true
  const root = victim >> 27
  const virtual = (victim & PAGE_NUMBER) << 12
  const first = load<u32>(core, CORE_FIRST_CPU)
  const count = load<u32>(core, CORE_CPU_COUNT)
  for (let index = first; index < first + count; index++) {
    const cpu = STATES + index * CPU_BYTES
    for (let bank: u32 = 0; bank < BANK_COUNT; bank++) {
      const key = cpu + LAYOUT_BANK_KEYS + bank * BANK_KEY_BYTES
      if (load<u32>(key) == 0 || load<u64>(key, 8) != root) continue
      const base = cpu + LAYOUT_BANKS + bank * BANK_BYTES
      store<u64>(entryOf(base + BANK_READ, virtual), -1)
      store<u64>(entryOf(base + BANK_WRITE, virtual), -1)
      store<u64>(entryOf(base + BANK_FETCH, virtual), -1)
    }
  }
}

/** Everything goes: sfence.vma of a thread of the core. */
export function flushTlb(cpu: u32): void {
  const core = coreOf(cpu)
  memory.fill(core + tlbTags, 0, ((tlbMask + 1) * tlbWays) << 3)
  memory.fill(core + tlbHands, 0, (tlbMask + 1) << 2)
}

/** One page goes, of every address space. */
export function flushTlbPage(cpu: u32, virtual: u64): void {
  const page = (virtual >> 12) & PAGE_NUMBER
  const core = coreOf(cpu)
  const set = core + tlbTags + (((u32(page) & tlbMask) * tlbWays) << 3)
  for (let at = set; at < set + (tlbWays << 3); at += 8) {
    const tag = load<u64>(at)
    if (tag == 0 || (tag & PAGE_NUMBER) != page) continue
    store<u64>(at, 0)
    forget(core, tag)
  }
}

/** The other thread of the core, or 0. */
export function siblingOf(cpu: u32): u32 {
  const core = coreOf(cpu)
  if (load<u32>(core, CORE_CPU_COUNT) < 2) return 0
  const first = STATES + load<u32>(core, CORE_FIRST_CPU) * CPU_BYTES
  return first == cpu ? first + CPU_BYTES : first
}
