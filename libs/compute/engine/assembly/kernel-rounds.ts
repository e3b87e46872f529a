/**
 * A CPU that goes round in its kernel in vain: it turns interrupts on in the very state in which it did so before, was in no user program since, and all that it has stored
 * between came to nothing. It has looked through its run queue and found nothing. If nobody else has written meanwhile that is a proof: until somebody does, or it is interrupted,
 * each further round is the same one. If somebody may have (the host, a sibling, another node that had a page of it) it is a guess: the CPU has done nothing itself.
 *
 * Where pc and registers are as they were is easily seen: one place is kept and compared with; another takes its turn after 2, 4, 8 … further ones (Brent's way to find a cycle),
 * so a round of any length comes to it in its third time. From there on the CPU's stores are watched (own-stores.ts), which costs time: whoever does something although its
 * registers come round (a loop whose pointers lie on the stack) is watched less and less.
 *
 * K1: no device, no clock and no interrupt was part of the round: the CPU has left the engine for frames that it had no rights to, at most, and went on as it was. A proof says
 * so of a CPU that was alone.
 */
import {
  CAME_BACK_ALONE, CAME_BACK_BESIDE, EXIT_BUDGET, EXIT_FRAME, LAYOUT_AT_END, LAYOUT_AT_MARK, LAYOUT_BANK, LAYOUT_CAME_BACK, LAYOUT_EXIT_KIND, LAYOUT_INSTRET, LAYOUT_PC, LAYOUT_RESERVATION, LAYOUT_ROUND_LIMIT, LAYOUT_ROUND_MARK, LAYOUT_ROUND_PASSED, LAYOUT_ROUND_RESUMES,
  LAYOUT_ROUND_SKIP, LAYOUT_ROUND_SKIP_NEXT, LAYOUT_SECOND_STAGE, LAYOUT_VIRTUAL_CSRS, LAYOUT_PENDING,
} from "./layout" // prettier-ignore
import { cameToNothing, endWatch, isWatched, othersWrote, wasAlone, watchStores } from "./own-stores"

const REGISTERS: u32 = 32
const REGISTERS_BYTES: u32 = 256
const LIMIT_FIRST: u32 = 2
const LIMIT_MAX: u32 = 4096
/** Returns that are passed by at most, of one mark, between two that are watched. */
const SKIP_MAX: u32 = 256
/** Odd, with bits all over: 2^64 over the golden ratio. */
const SPREAD: u64 = 0x9e3779b97f4a7c15

export function forgetRound(cpu: u32): void {
  store<u64>(cpu, 0, LAYOUT_ROUND_MARK)
  endWatch(cpu)
}

/** Who ran last: what another has written since its last run, a CPU did not. */
let ranLast: u32 = 0

/** A run begins: a watch goes on if nothing has happened to the CPU since its last run. */
export function goOnRound(cpu: u32): void {
  if (ranLast != cpu) othersWrote()
  ranLast = cpu
  if (isWatched(cpu) && !isAs(cpu + LAYOUT_AT_END, cpu)) endWatch(cpu)
  if (!load<u32>(cpu, LAYOUT_ROUND_RESUMES)) return
  store<u32>(cpu, 0, LAYOUT_ROUND_RESUMES)
  // It goes on where it has come round to: this is the mark.
  if (!isWatched(cpu) && load<u64>(cpu, LAYOUT_ROUND_MARK) == digest(cpu)) watch(cpu)
}

/** A run has ended. */
export function leaveRound(cpu: u32): void {
  if (!isWatched(cpu)) return
  const kind = load<u32>(cpu, LAYOUT_EXIT_KIND)
  if (kind != EXIT_BUDGET && kind != EXIT_FRAME) endWatch(cpu)
  else keep(cpu + LAYOUT_AT_END, cpu)
}

/** It has turned interrupts on. Was it here before, and has nothing changed? Noted as CAME_BACK then, and looked for again. */
export function cameRound(cpu: u32): bool {
  const here = digest(cpu)
  if (load<u64>(cpu, LAYOUT_ROUND_MARK) == here) return isInVain(cpu)
  const limit = load<u64>(cpu, LAYOUT_ROUND_MARK) == 0 ? u32(0) : load<u32>(cpu, LAYOUT_ROUND_LIMIT)
  const passed = load<u32>(cpu, LAYOUT_ROUND_PASSED) + 1
  store<u32>(cpu, passed, LAYOUT_ROUND_PASSED)
  if (passed < limit) return false
  endWatch(cpu)
  store<u64>(cpu, here, LAYOUT_ROUND_MARK)
  store<u32>(cpu, 0, LAYOUT_ROUND_PASSED)
  store<u32>(cpu, limit == 0 ? LIMIT_FIRST : min<u32>(LIMIT_MAX, limit << 1), LAYOUT_ROUND_LIMIT)
  store<u32>(cpu, 0, LAYOUT_ROUND_SKIP)
  store<u32>(cpu, 1, LAYOUT_ROUND_SKIP_NEXT)
  return false
}

/** At its mark again. */
function isInVain(cpu: u32): bool {
  store<u32>(cpu, 0, LAYOUT_ROUND_PASSED)
  if (isWatched(cpu)) {
    if (isAs(cpu + LAYOUT_AT_MARK, cpu) && cameToNothing(cpu)) {
      store<u32>(cpu, wasAlone(cpu) ? CAME_BACK_ALONE : CAME_BACK_BESIDE, LAYOUT_CAME_BACK)
      store<u32>(cpu, 1, LAYOUT_ROUND_RESUMES)
      store<u32>(cpu, 1, LAYOUT_ROUND_SKIP_NEXT)
      watchStores(cpu)
      return true
    }
    endWatch(cpu)
    const skip = load<u32>(cpu, LAYOUT_ROUND_SKIP_NEXT)
    store<u32>(cpu, skip, LAYOUT_ROUND_SKIP)
    store<u32>(cpu, min<u32>(SKIP_MAX, skip << 1), LAYOUT_ROUND_SKIP_NEXT)
    return false
  }
  const skip = load<u32>(cpu, LAYOUT_ROUND_SKIP)
  if (skip == 0) watch(cpu)
  else store<u32>(cpu, skip - 1, LAYOUT_ROUND_SKIP)
  return false
}

function watch(cpu: u32): void {
  watchStores(cpu)
  keep(cpu + LAYOUT_AT_MARK, cpu)
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

/** Parts of the state block that say how it goes on: registers; second stage and pc; reservation and translation; privileged words and nested traps. Not how many instructions. */
const ADDRESSES: u32 = LAYOUT_INSTRET - LAYOUT_SECOND_STAGE
const TRANSLATION: u32 = LAYOUT_BANK - LAYOUT_RESERVATION
const PRIVILEGED: u32 = LAYOUT_PENDING - LAYOUT_VIRTUAL_CSRS

function keep(at: u32, cpu: u32): void {
  memory.copy(at, cpu, REGISTERS_BYTES)
  memory.copy(at + REGISTERS_BYTES, cpu + LAYOUT_SECOND_STAGE, ADDRESSES)
  memory.copy(at + REGISTERS_BYTES + ADDRESSES, cpu + LAYOUT_RESERVATION, TRANSLATION)
  memory.copy(at + REGISTERS_BYTES + ADDRESSES + TRANSLATION, cpu + LAYOUT_VIRTUAL_CSRS, PRIVILEGED)
}

function isAs(at: u32, cpu: u32): bool {
  return (
    memory.compare(at, cpu, REGISTERS_BYTES) == 0 &&
    memory.compare(at + REGISTERS_BYTES, cpu + LAYOUT_SECOND_STAGE, ADDRESSES) == 0 &&
    memory.compare(at + REGISTERS_BYTES + ADDRESSES, cpu + LAYOUT_RESERVATION, TRANSLATION) == 0 &&
    memory.compare(at + REGISTERS_BYTES + ADDRESSES + TRANSLATION, cpu + LAYOUT_VIRTUAL_CSRS, PRIVILEGED) == 0
  )
}
