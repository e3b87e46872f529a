/** The look-up TLB: banks of direct-mapped entries, one bank per recent translation (layout.ts). A hit is in the interpreter; misses are in access.ts. */
import {
  BANK_BYTES, BANK_COUNT, BANK_FETCH, BANK_INSTALLED, BANK_INSTALLED_FETCH, BANK_KEY_BYTES, BANK_READ, BANK_WRITE, CPU_BYTES, LAYOUT_BANK, LAYOUT_BANKS, LAYOUT_BANK_KEYS,
  LAYOUT_BANK_VICTIM, LAYOUT_DATA_PRIVILEGE, LAYOUT_FETCH_PRIVILEGE, LAYOUT_MODE, LAYOUT_ROOT, LAYOUT_TABLES_CHANGED, LAYOUT_TRANSLATION_FLAGS, MODE_REFILL, STATES, TLB_ENTRIES,
} from "./layout" // prettier-ignore
import { TIMED } from "./fidelity"
import { cpuCount, flagsOf } from "./memory"
import { flushTlb, flushTlbPage, siblingOf } from "./timing-tlb"

const ARRAY_BYTES: u32 = TLB_ENTRIES * 16

// @ts-ignore: decorator
@inline
export function entryOf(array: u32, virtual: u64): u32 {
  return array + ((u32(virtual >> 12) & (TLB_ENTRIES - 1)) << 4)
}

// @ts-ignore: decorator
@inline
function keyOf(cpu: u32, bank: u32): u32 {
  return cpu + LAYOUT_BANK_KEYS + bank * BANK_KEY_BYTES
}

/** No code frame may have a writable entry: called when a frame becomes one. */
export function flushWrites(): void {
  for (let index: u32 = 0; index < cpuCount; index++) flushWritesOf(STATES + index * CPU_BYTES)
}

export function flushWritesOf(cpu: u32): void {
  for (let bank: u32 = 0; bank < BANK_COUNT; bank++) {
    if (load<u32>(keyOf(cpu, bank))) memory.fill(cpu + LAYOUT_BANKS + bank * BANK_BYTES + BANK_WRITE, 0xff, ARRAY_BYTES)
  }
}

/** Stores of this CPU go the slow way from now on: no address compares equal to a tag with this bit. The same as of a frame with a flag. */
export const FLAGGED: u64 = 8

export function flagStores(cpu: u32): void {
  for (let bank: u32 = 0; bank < BANK_COUNT; bank++) {
    if (load<u32>(keyOf(cpu, bank)) == 0) continue
    const array = cpu + LAYOUT_BANKS + bank * BANK_BYTES + BANK_WRITE
    for (let entry = array; entry < array + ARRAY_BYTES; entry += 16) store<u64>(entry, load<u64>(entry) | FLAGGED) // an empty one has all bits
  }
}

/** And no longer, but for frames with a flag. */
export function unflagStores(cpu: u32): void {
  for (let bank: u32 = 0; bank < BANK_COUNT; bank++) {
    if (load<u32>(keyOf(cpu, bank)) == 0) continue
    const array = cpu + LAYOUT_BANKS + bank * BANK_BYTES + BANK_WRITE
    for (let entry = array; entry < array + ARRAY_BYTES; entry += 16) {
      const tag = load<u64>(entry)
      if (tag != -1 && flagsOf((u32(tag) & ~0xfff) + load<u32>(entry, 8)) == 0) store<u64>(entry, tag & ~FLAGGED)
    }
  }
}

/** The host took rights to a frame: no CPU keeps a way to it. `slot`: its decoded page, or 0; `write`: only the ways to store. */
export function flushFrame(host: u32, slot: u32, write: u32): void {
  for (let index: u32 = 0; index < cpuCount; index++) {
    const cpu = STATES + index * CPU_BYTES
    for (let bank: u32 = 0; bank < BANK_COUNT; bank++) {
      if (load<u32>(keyOf(cpu, bank)) == 0) continue
      const base = cpu + LAYOUT_BANKS + bank * BANK_BYTES
      flushWays(base + BANK_WRITE, host)
      if (write) continue
      flushWays(base + BANK_READ, host)
      if (slot != 0) flushSlot(base + BANK_FETCH, slot)
    }
  }
}

/** Entries that lead to this frame, under whatever address. */
function flushWays(array: u32, host: u32): void {
  for (let entry = array; entry < array + ARRAY_BYTES; entry += 16) {
    const tag = load<u64>(entry)
    // An addend is the host address less the virtual one; the low bits of a tag may mark it as flagged.
    if (tag != -1 && (u32(tag) & ~0xfff) + load<u32>(entry, 8) == host) store<u64>(entry, -1)
  }
}

function flushSlot(array: u32, slot: u32): void {
  for (let entry = array; entry < array + ARRAY_BYTES; entry += 16) {
    if (load<u64>(entry) != -1 && load<u32>(entry, 8) == slot) store<u64>(entry, -1)
  }
}

/** A decoded page lost its slot. */
export function flushFetches(): void {
  for (let index: u32 = 0; index < cpuCount; index++) {
    const cpu = STATES + index * CPU_BYTES
    for (let bank: u32 = 0; bank < BANK_COUNT; bank++) {
      if (load<u32>(keyOf(cpu, bank))) memory.fill(cpu + LAYOUT_BANKS + bank * BANK_BYTES + BANK_FETCH, 0xff, ARRAY_BYTES)
    }
  }
}

/** The translation fields of the state block changed: use the bank made under the same ones, or empty another. */
export function selectTranslation(cpu: u32): void {
  const root = load<u64>(cpu, LAYOUT_ROOT)
  const how =
    load<u32>(cpu, LAYOUT_MODE) | (load<u32>(cpu, LAYOUT_FETCH_PRIVILEGE) << 4) | (load<u32>(cpu, LAYOUT_DATA_PRIVILEGE) << 8) | (load<u32>(cpu, LAYOUT_TRANSLATION_FLAGS) << 12)
  for (let bank: u32 = 0; bank < BANK_COUNT; bank++) {
    const key = keyOf(cpu, bank)
    if (load<u32>(key) && load<u32>(key, 4) == how && load<u64>(key, 8) == root) {
      store<u32>(cpu, cpu + LAYOUT_BANKS + bank * BANK_BYTES, LAYOUT_BANK)
      return
    }
  }
  const bank = load<u32>(cpu, LAYOUT_BANK_VICTIM)
  store<u32>(cpu, (bank + 1) % BANK_COUNT, LAYOUT_BANK_VICTIM)
  const key = keyOf(cpu, bank)
  const before = load<u32>(key, 4)
  store<u32>(key, 1)
  store<u32>(key, how, 4)
  store<u64>(key, root, 8)
  store<u32>(key, 0, 16)
  store<u32>(cpu, cpu + LAYOUT_BANKS + bank * BANK_BYTES, LAYOUT_BANK)
  // Only mode `refill` installs.
  const refills = (before & 15) == MODE_REFILL || (how & 15) == MODE_REFILL
  memory.fill(cpu + LAYOUT_BANKS + bank * BANK_BYTES, 0xff, refills ? BANK_BYTES : BANK_INSTALLED)
}

/** Forgets all banks; the one in use is emptied, the others when they are used again. */
export function flushAll(cpu: u32): void {
  forgetBanks(cpu)
  if (TIMED) {
    flushTlb(cpu)
    const sibling = siblingOf(cpu)
    if (sibling != 0) forgetBanks(sibling)
  }
}

function forgetBanks(cpu: u32): void {
  for (let bank: u32 = 0; bank < BANK_COUNT; bank++) store<u32>(keyOf(cpu, bank), 0)
  store<u32>(cpu, 0, LAYOUT_TABLES_CHANGED)
  selectTranslation(cpu)
}

/** One page of every bank. A superpage lies in many entries, so a bank that holds one is forgotten whole. */
export function flushPage(cpu: u32, virtual: u64): void {
  if (TIMED) flushTlbPage(cpu, virtual)
  for (let bank: u32 = 0; bank < BANK_COUNT; bank++) {
    const key = keyOf(cpu, bank)
    if (load<u32>(key) == 0) continue
    if (load<u32>(key, 16)) {
      flushAll(cpu)
      return
    }
    const base = cpu + LAYOUT_BANKS + bank * BANK_BYTES
    store<u64>(entryOf(base + BANK_READ, virtual), -1)
    store<u64>(entryOf(base + BANK_WRITE, virtual), -1)
    store<u64>(entryOf(base + BANK_FETCH, virtual), -1)
    store<u64>(entryOf(base + BANK_INSTALLED, virtual), -1)
    store<u64>(entryOf(base + BANK_INSTALLED_FETCH, virtual), -1)
  }
}

/** The bank in use got an entry out of a superpage. */
export function noteSuperpage(cpu: u32): void {
  const bank = (load<u32>(cpu, LAYOUT_BANK) - (cpu + LAYOUT_BANKS)) / BANK_BYTES
  store<u32>(keyOf(cpu, bank), 1, 16)
}
