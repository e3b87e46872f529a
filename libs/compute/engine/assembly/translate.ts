/**
 * Virtual → physical without the look-up TLB: bare, the Sv39 walk, or what mode `refill` was given.
 * Privileged manual, "Sv39" and "Virtual address translation process"; A and D are written by the walk (Svadu).
 */
import {
  ACCESS_FETCH, ACCESS_LOAD, ACCESS_STORE, BANK_INSTALLED, BANK_INSTALLED_FETCH, LAYOUT_BANK, LAYOUT_DATA_PRIVILEGE, LAYOUT_FETCH_PRIVILEGE, LAYOUT_MODE, LAYOUT_ROOT,
  LAYOUT_SECOND_STAGE, LAYOUT_TRANSLATION_FLAGS, MODE_BARE, MODE_REFILL, PROTECTION_EXECUTE, PROTECTION_READ, PROTECTION_WRITE,
} from "./layout" // prettier-ignore
import { entryOf, noteSuperpage } from "./look-up"
import { RAM_BASE, afterUpdate, hostOf, inRam, lacksRights } from "./memory"
import { noteStore } from "./own-stores"
import { ALLOWED, protection } from "./protection"
import { readsTable } from "./tables"

/** Why `translate` failed: an exception cause, MISSING (mode refill) or STAGE_MISSING (no entry of the second stage). */
export let failure: u32 = 0
export const MISSING: u32 = 0x100
export const STAGE_MISSING: u32 = 0x101
/** The frame is there, but the host has taken the rights to it (`setFrameRights`). */
export const FRAME_MISSING: u32 = 0x102
/** With STAGE_MISSING: the physical address that has no entry; with FRAME_MISSING the machine address; and whether it must allow a store. */
export let missedAddress: u64 = 0
export let missedWrite: u32 = 0
export const FAILED: u64 = 0xffff_ffff_ffff_ffff

const V: u64 = 1
const R: u64 = 2
const W: u64 = 4
const X: u64 = 8
const U: u64 = 16
const A: u64 = 64
const D: u64 = 128
/** Bits 54 up: N, PBMT and reserved; none of their extensions is here. */
const RESERVED_SHIFT: u64 = 54
const PPN_MASK: u64 = 0xfff_ffff_ffff
const SUM: u32 = 1
const MXR: u32 = 2

function fail(cause: u32): u64 {
  failure = cause
  return FAILED
}

/** Exception causes: 12 fetch, 13 load, 15 store and AMO. */
export function pageFault(access: u32): u64 {
  return fail(access == ACCESS_FETCH ? 12 : access == ACCESS_LOAD ? 13 : 15)
}

/** Exception causes: 1 fetch, 5 load, 7 store and AMO. */
export function accessFault(access: u32): u64 {
  return fail(access == ACCESS_FETCH ? 1 : access == ACCESS_LOAD ? 5 : 7)
}

// @ts-ignore: decorator
@inline
export function privilegeFor(cpu: u32, access: u32): u32 {
  return access == ACCESS_FETCH ? load<u32>(cpu, LAYOUT_FETCH_PRIVILEGE) : load<u32>(cpu, LAYOUT_DATA_PRIVILEGE)
}

function stageMissing(physical: u64, write: u32): u64 {
  missedAddress = physical
  missedWrite = write
  return fail(STAGE_MISSING)
}

/** The last step of every access: to a machine address whose frame the host lets the CPUs use. FAILED with `failure` set. */
export function toMachine(cpu: u32, physical: u64, write: u32): u64 {
  const machine = secondStage(cpu, physical, write)
  if (machine == FAILED || !inRam(machine, 1) || !lacksRights(hostOf(machine), write)) return machine
  missedAddress = machine
  missedWrite = write
  return fail(FRAME_MISSING)
}

/**
 * The second stage: physical → machine through the VMM's tables, which have the form of Sv39's. What lies below RAM are devices and stays
 * what it is. FAILED with `failure` set where there is no entry, or none that allows a store.
 */
function secondStage(cpu: u32, physical: u64, write: u32): u64 {
  const root = load<u64>(cpu, LAYOUT_SECOND_STAGE)
  if (root == 0 || physical < RAM_BASE) return physical
  if (physical >> 39) return stageMissing(physical, write)
  let table = root << 12
  for (let level: i32 = 2; level >= 0; level--) {
    const entry = load<u64>(hostOf(table) + ((u32(physical >> u64(12 + 9 * level)) & 511) << 3))
    if (!(entry & V)) return stageMissing(physical, write)
    if (entry & (R | X)) {
      if (write && !(entry & W)) return stageMissing(physical, write)
      const below: u64 = (u64(1) << u64(12 + 9 * level)) - 1
      return ((((entry >> 10) & PPN_MASK) << 12) & ~below) | (physical & below)
    }
    table = ((entry >> 10) & PPN_MASK) << 12
  }
  return stageMissing(physical, write)
}

/** Physical address, or FAILED with `failure` set. Does not look at the protection of the address itself. */
export function translate(cpu: u32, virtual: u64, access: u32): u64 {
  const mode = load<u32>(cpu, LAYOUT_MODE)
  const privilege = privilegeFor(cpu, access)
  if (mode == MODE_BARE || privilege == 3) return virtual
  if (mode == MODE_REFILL) return installed(cpu, virtual, access)
  return walk(cpu, virtual, access, privilege)
}

function installed(cpu: u32, virtual: u64, access: u32): u64 {
  const entry = entryOf(load<u32>(cpu, LAYOUT_BANK) + (access == ACCESS_FETCH ? BANK_INSTALLED_FETCH : BANK_INSTALLED), virtual)
  if (load<u64>(entry) != (virtual & ~0xfff)) return fail(MISSING)
  const target = load<u64>(entry, 8)
  const wanted: u64 = access == ACCESS_FETCH ? PROTECTION_EXECUTE : access == ACCESS_LOAD ? PROTECTION_READ : PROTECTION_WRITE
  if (!(target & wanted)) return fail(MISSING)
  return (target & ~0xfff) | (virtual & 0xfff)
}

function walk(cpu: u32, virtual: u64, access: u32, privilege: u32): u64 {
  // Bits 63:39 must equal bit 38.
  if (u64((i64(virtual) << 25) >> 25) != virtual) return pageFault(access)
  let table = load<u64>(cpu, LAYOUT_ROOT) << 12
  for (let level: i32 = 2; level >= 0; level--) {
    const at = table + (((virtual >> u64(12 + 9 * level)) & 511) << 3)
    // The walker reads as supervisor, whatever the access.
    if (protection(cpu, at, 8, ACCESS_LOAD, 1) != ALLOWED) return accessFault(access)
    const machine = toMachine(cpu, at, 0)
    if (machine == FAILED) return FAILED
    if (!inRam(machine, 8)) return accessFault(access)
    readsTable(cpu, hostOf(machine))
    const entry = load<u64>(hostOf(machine))
    if (!(entry & V) || (entry & (R | W)) == W || entry >> RESERVED_SHIFT != 0) return pageFault(access)
    if (entry & (R | X)) return leaf(cpu, virtual, access, privilege, at, entry, level)
    if (entry & (A | D | U)) return pageFault(access)
    table = ((entry >> 10) & PPN_MASK) << 12
  }
  return pageFault(access)
}

function leaf(cpu: u32, virtual: u64, access: u32, privilege: u32, at: u64, entry: u64, level: i32): u64 {
  if (!permitted(load<u32>(cpu, LAYOUT_TRANSLATION_FLAGS), access, privilege, entry)) return pageFault(access)
  const page = (entry >> 10) & PPN_MASK
  const below: u64 = (u64(1) << u64(9 * level)) - 1
  if (page & below) return pageFault(access)
  const updated = entry | A | (access == ACCESS_STORE ? D : 0)
  if (updated != entry) {
    if (protection(cpu, at, 8, ACCESS_STORE, 1) != ALLOWED) return accessFault(access)
    const machine = toMachine(cpu, at, 1)
    if (machine == FAILED) return FAILED
    noteStore(cpu, hostOf(machine), 8)
    store<u64>(hostOf(machine), updated)
    afterUpdate(cpu, hostOf(machine), 8)
  }
  if (level > 0) noteSuperpage(cpu)
  return ((page | ((virtual >> 12) & below)) << 12) | (virtual & 0xfff)
}

function permitted(flags: u32, access: u32, privilege: u32, entry: u64): bool {
  if (privilege == 0) {
    if (!(entry & U)) return false
  } else if (entry & U) {
    // Supervisor never fetches from user pages, and reads and writes them only under SUM.
    if (access == ACCESS_FETCH || !(flags & SUM)) return false
  }
  if (access == ACCESS_FETCH) return (entry & X) != 0
  if (access == ACCESS_STORE) return (entry & W) != 0
  return (entry & R) != 0 || ((flags & MXR) != 0 && (entry & X) != 0)
}
