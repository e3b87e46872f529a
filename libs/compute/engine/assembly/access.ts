/**
 * Loads, stores and atomics that missed the look-up TLB, are misaligned, or touch a flagged frame; and what leaves the engine.
 * Each returns its value with `stopped` false, or has filled in the exit fields of the state block and set `stopped`.
 */
import {
  ACCESS_LOAD, ACCESS_STORE, BANK_READ, BANK_WRITE, EXIT_EXCEPTION, EXIT_FRAME, EXIT_IO_LOAD, EXIT_IO_STORE, EXIT_STAGE_MISS, EXIT_TLB_MISS, LAYOUT_BANK, LAYOUT_EXIT_ADDRESS,
  LAYOUT_EXIT_CAUSE, LAYOUT_EXIT_DATA, LAYOUT_EXIT_KIND, LAYOUT_EXIT_VALUE, LAYOUT_EXIT_WIDTH, LAYOUT_RESERVATION,
} from "./layout" // prettier-ignore
import { FLAGGED, entryOf } from "./look-up"
import { afterStore, flagsOf, hostOf, inRam } from "./memory"
import { isWatched, noteStore } from "./own-stores"
import { ALLOWED, DENIED, protection } from "./protection"
import { TIMED } from "./fidelity"
import { closeWriteFilter } from "./timing-cache"
import { touchRead, touchWrite } from "./timing-protocol"
import { coreOf } from "./timing-state"
import { touchPage } from "./timing-tlb"
import { FAILED, FRAME_MISSING, MISSING, STAGE_MISSING, accessFault, failure, missedAddress, missedWrite, privilegeFor, toMachine, translate } from "./translate"

export let stopped: bool = false

export function clearStopped(): void {
  stopped = false
}

export function stopWithException(cpu: u32, cause: u32, value: u64): void {
  store<u32>(cpu, EXIT_EXCEPTION, LAYOUT_EXIT_KIND)
  store<u32>(cpu, cause, LAYOUT_EXIT_CAUSE)
  store<u64>(cpu, value, LAYOUT_EXIT_VALUE)
  stopped = true
}

/** After a failed translation of `virtual`. */
export function stopWithFailure(cpu: u32, access: u32, virtual: u64): void {
  stopWithException(cpu, failure, virtual)
  if (failure < MISSING) return
  store<u32>(cpu, access, LAYOUT_EXIT_CAUSE)
  if (failure == STAGE_MISSING || failure == FRAME_MISSING) {
    store<u32>(cpu, failure == FRAME_MISSING ? EXIT_FRAME : EXIT_STAGE_MISS, LAYOUT_EXIT_KIND)
    store<u64>(cpu, missedAddress, LAYOUT_EXIT_ADDRESS)
    store<u32>(cpu, missedWrite, LAYOUT_EXIT_WIDTH)
  } else store<u32>(cpu, EXIT_TLB_MISS, LAYOUT_EXIT_KIND)
}

function stopAtDevice(cpu: u32, kind: u32, virtual: u64, physical: u64, size: u32, data: u64): void {
  store<u32>(cpu, kind, LAYOUT_EXIT_KIND)
  store<u64>(cpu, virtual, LAYOUT_EXIT_VALUE)
  store<u64>(cpu, physical, LAYOUT_EXIT_ADDRESS)
  store<u32>(cpu, size, LAYOUT_EXIT_WIDTH)
  store<u64>(cpu, data, LAYOUT_EXIT_DATA)
  stopped = true
}

/** Translation and protection of bytes within one page: a machine address. FAILED: stopped. */
function locate(cpu: u32, virtual: u64, size: u32, access: u32): u64 {
  const physical = translate(cpu, virtual, access)
  if (physical == FAILED) {
    stopWithFailure(cpu, access, virtual)
    return FAILED
  }
  const privilege = privilegeFor(cpu, access)
  const page = protection(cpu, physical & ~0xfff, 4096, access, privilege)
  if (page != ALLOWED && (page == DENIED || protection(cpu, physical, size, access, privilege) != ALLOWED)) {
    accessFault(access)
    stopWithFailure(cpu, access, virtual)
    return FAILED
  }
  const machine = toMachine(cpu, physical, access == ACCESS_STORE ? 1 : 0)
  if (machine == FAILED) {
    stopWithFailure(cpu, access, virtual)
    return FAILED
  }
  // Before the look-up TLB takes it: that holds nothing which is not in the TLB.
  if (TIMED) touchPage(cpu, virtual, access)
  if (page == ALLOWED && inRam(machine & ~0xfff, 4096)) install(cpu, virtual, machine, access)
  return machine
}

function install(cpu: u32, virtual: u64, machine: u64, access: u32): void {
  const host = hostOf(machine)
  const entry = entryOf(load<u32>(cpu, LAYOUT_BANK) + (access == ACCESS_STORE ? BANK_WRITE : BANK_READ), virtual)
  store<u64>(entry, (virtual & ~0xfff) | (access == ACCESS_STORE && (isWatched(cpu) || flagsOf(host) != 0) ? FLAGGED : 0))
  store<u32>(entry, host - u32(virtual), 8)
}

function loadHost(host: u32, size: u32): u64 {
  if (size == 1) return load<u8>(host)
  if (size == 2) return load<u16>(host)
  if (size == 4) return load<u32>(host)
  return load<u64>(host)
}

function storeHost(host: u32, size: u32, value: u64): void {
  if (size == 1) store<u8>(host, u8(value))
  else if (size == 2) store<u16>(host, u16(value))
  else if (size == 4) store<u32>(host, u32(value))
  else store<u64>(host, value)
}

/** Zero-extended. */
export function loadSlow(cpu: u32, virtual: u64, size: u32): u64 {
  if ((u32(virtual) & 0xfff) + size > 4096) return loadSplit(cpu, virtual, size)
  const entry = entryOf(load<u32>(cpu, LAYOUT_BANK) + BANK_READ, virtual)
  if (load<u64>(entry) == (virtual & ~0xfff)) {
    if (TIMED) touchRead(cpu, u32(virtual) + load<u32>(entry, 8), size)
    return loadHost(u32(virtual) + load<u32>(entry, 8), size)
  }
  const physical = locate(cpu, virtual, size, ACCESS_LOAD)
  if (physical == FAILED) return 0
  if (inRam(physical, size)) {
    if (TIMED) touchRead(cpu, hostOf(physical), size)
    return loadHost(hostOf(physical), size)
  }
  stopAtDevice(cpu, EXIT_IO_LOAD, virtual, physical, size, 0)
  return 0
}

/** Over a page boundary: both parts must be memory; the fault is at the first byte of the part that failed. */
function loadSplit(cpu: u32, virtual: u64, size: u32): u64 {
  const below: u32 = 4096 - (u32(virtual) & 0xfff)
  const first = locateMemory(cpu, virtual, below, ACCESS_LOAD)
  if (first == 0) return 0
  const second = locateMemory(cpu, virtual + below, size - below, ACCESS_LOAD)
  if (second == 0) return 0
  if (TIMED) {
    touchRead(cpu, first, below)
    touchRead(cpu, second, size - below)
  }
  let value: u64 = 0
  for (let index: u32 = 0; index < size; index++) {
    const host = index < below ? first + index : second + (index - below)
    value |= u64(load<u8>(host)) << u64(8 * index)
  }
  return value
}

export function storeSlow(cpu: u32, virtual: u64, size: u32, value: u64): void {
  if ((u32(virtual) & 0xfff) + size > 4096) {
    storeSplit(cpu, virtual, size, value)
    return
  }
  const entry = entryOf(load<u32>(cpu, LAYOUT_BANK) + BANK_WRITE, virtual)
  if ((load<u64>(entry) & ~FLAGGED) == (virtual & ~0xfff)) {
    const host = u32(virtual) + load<u32>(entry, 8)
    if (TIMED) touchWrite(cpu, host, size)
    noteStore(cpu, host, size)
    storeHost(host, size, value)
    afterStore(cpu, host, size)
    return
  }
  const physical = locate(cpu, virtual, size, ACCESS_STORE)
  if (physical == FAILED) return
  if (!inRam(physical, size)) {
    stopAtDevice(cpu, EXIT_IO_STORE, virtual, physical, size, size == 8 ? value : value & ((u64(1) << u64(8 * size)) - 1))
    return
  }
  const host = hostOf(physical)
  if (TIMED) touchWrite(cpu, host, size)
  noteStore(cpu, host, size)
  storeHost(host, size, value)
  afterStore(cpu, host, size)
}

/** Nothing is written unless both parts can be. */
function storeSplit(cpu: u32, virtual: u64, size: u32, value: u64): void {
  const below: u32 = 4096 - (u32(virtual) & 0xfff)
  const first = locateMemory(cpu, virtual, below, ACCESS_STORE)
  if (first == 0) return
  const second = locateMemory(cpu, virtual + below, size - below, ACCESS_STORE)
  if (second == 0) return
  if (TIMED) {
    touchWrite(cpu, first, below)
    touchWrite(cpu, second, size - below)
  }
  noteStore(cpu, first, below)
  noteStore(cpu, second, size - below)
  for (let index: u32 = 0; index < size; index++) {
    const host = index < below ? first + index : second + (index - below)
    store<u8>(host, u8(value >> u64(8 * index)))
  }
  afterStore(cpu, first, below)
  afterStore(cpu, second, size - below)
}

/** As `locate`, but only RAM will do; an address in linear memory, or 0 when stopped. */
export function locateMemory(cpu: u32, virtual: u64, size: u32, access: u32): u32 {
  const physical = locate(cpu, virtual, size, access)
  if (physical == FAILED) return 0
  if (inRam(physical, size)) return hostOf(physical)
  accessFault(access)
  stopWithFailure(cpu, access, virtual)
  return 0
}

/** Where an AMO works; 0 when stopped. AMOs are stores: causes 6, 7, 15. The caller calls `afterStore`. */
export function atomicAddress(cpu: u32, virtual: u64, size: u32): u32 {
  const host = locateAtomic(cpu, virtual, size)
  if (host != 0) noteStore(cpu, host, size)
  return host
}

function locateAtomic(cpu: u32, virtual: u64, size: u32): u32 {
  const entry = entryOf(load<u32>(cpu, LAYOUT_BANK) + BANK_WRITE, virtual)
  if ((virtual & (~0xfff | u64(size - 1))) == (load<u64>(entry) & ~FLAGGED)) return u32(virtual) + load<u32>(entry, 8)
  if (u32(virtual) & (size - 1)) {
    stopWithException(cpu, 6, virtual)
    return 0
  }
  return locateMemory(cpu, virtual, size, ACCESS_STORE)
}

/** Zero-extended. */
export function loadReserved(cpu: u32, virtual: u64, size: u32): u64 {
  if (u32(virtual) & (size - 1)) {
    stopWithException(cpu, 4, virtual)
    return 0
  }
  const host = locateMemory(cpu, virtual, size, ACCESS_LOAD)
  if (host == 0) return 0
  if (TIMED) {
    touchRead(cpu, host, size)
    // The other thread of the core could store without a word.
    closeWriteFilter(coreOf(cpu), host >>> 6)
  }
  store<u32>(cpu, host, LAYOUT_RESERVATION)
  return loadHost(host, size)
}

/** 0 done, 1 not. The reservation is gone either way; only the very address of the LR will do. */
export function storeConditional(cpu: u32, virtual: u64, size: u32, value: u64): u64 {
  const host = atomicAddress(cpu, virtual, size)
  if (host == 0) return 1
  const reserved = load<u32>(cpu, LAYOUT_RESERVATION)
  store<u32>(cpu, 0, LAYOUT_RESERVATION)
  if (reserved != host) return 1
  if (TIMED) touchWrite(cpu, host, size)
  storeHost(host, size, value)
  afterStore(cpu, host, size)
  return 0
}
