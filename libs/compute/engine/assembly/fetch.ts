/** From a virtual pc to decoded instructions: what the interpreter does when the look-up TLB has no page, or an instruction straddles two. */
import {
  ACCESS_FETCH, BANK_FETCH, LAYOUT_BANK, LAYOUT_SCRATCH, LAYOUT_SCRATCH_RAW, SLOT_HEADER_BYTES,
} from "./layout" // prettier-ignore
import { stopWithFailure } from "./access"
import { slotFor } from "./code-cache"
import { decodeInto } from "./decoder"
import { entryOf } from "./look-up"
import { hostOf, inRam } from "./memory"
import { OP_PAGE_END, OP_STRADDLE } from "./operations"
import { ALLOWED, PARTLY, protection } from "./protection"
import { FAILED, accessFault, privilegeFor, toMachine, translate } from "./translate"
import { NOWHERE } from "./records"
import { TIMED } from "./fidelity"
import { touchFetch } from "./timing-protocol"
import { touchPage } from "./timing-tlb"

function refuse(cpu: u32, virtual: u64): u32 {
  accessFault(ACCESS_FETCH)
  stopWithFailure(cpu, ACCESS_FETCH, virtual)
  return 0
}

/**
 * The decoded page that holds `pc`; 0 when stopped. Where protection ends inside a page it is checked on entry to the page only:
 * straight-line code that runs on into a forbidden part of the same page is not caught.
 */
export function fetchPage(cpu: u32, pc: u64): u32 {
  const physical = translate(cpu, pc, ACCESS_FETCH)
  if (physical == FAILED) {
    stopWithFailure(cpu, ACCESS_FETCH, pc)
    return 0
  }
  const privilege = privilegeFor(cpu, ACCESS_FETCH)
  const page = protection(cpu, physical & ~0xfff, 4096, ACCESS_FETCH, privilege)
  if (page != ALLOWED && !(page == PARTLY && protection(cpu, physical, 2, ACCESS_FETCH, privilege) == ALLOWED)) return refuse(cpu, pc)
  const machine = toMachine(cpu, physical, 0)
  if (machine == FAILED) {
    stopWithFailure(cpu, ACCESS_FETCH, pc)
    return 0
  }
  if (!inRam(machine & ~0xfff, 4096)) return refuse(cpu, pc)
  if (TIMED) touchPage(cpu, pc, ACCESS_FETCH)
  const slot = slotFor(hostOf(machine))
  if (page == ALLOWED) {
    const entry = entryOf(load<u32>(cpu, LAYOUT_BANK) + BANK_FETCH, pc)
    store<u64>(entry, pc & ~0xfff)
    store<u32>(entry, slot, 8)
  }
  return slot
}

/** Address in linear memory of the raw bits of the record at `ip`. */
// @ts-ignore: decorator
@inline
function rawAt(slot: u32, ip: u32): u32 {
  return load<u32>(slot - SLOT_HEADER_BYTES) + ((ip - slot) >>> 2)
}

/** Fills in the empty record at `ip`. */
export function decodeAt(slot: u32, ip: u32): void {
  const raw = load<u32>(rawAt(slot, ip))
  const offset = (ip - slot) >>> 2
  if (offset == 4094 && (raw & 3) == 3) store<u8>(ip, OP_STRADDLE)
  else decodeInto(ip, raw, offset)
}

/** Raw bits for an exit: 16 of them, zero-extended, for a form of C. */
export function rawInstruction(cpu: u32, slot: u32, ip: u32): u32 {
  if (slot == u32(cpu + LAYOUT_SCRATCH)) return load<u32>(cpu, LAYOUT_SCRATCH_RAW)
  const raw = load<u32>(rawAt(slot, ip))
  return (raw & 3) == 3 ? raw : raw & 0xffff
}

/** The instruction whose first half ends a page: decoded anew each time, into the CPU's scratch page. 0 when stopped. */
export function decodeStraddling(cpu: u32, pc: u64, slot: u32, ip: u32): u32 {
  const virtual = pc + 2
  const physical = translate(cpu, virtual, ACCESS_FETCH)
  if (physical == FAILED) {
    stopWithFailure(cpu, ACCESS_FETCH, virtual)
    return 0
  }
  if (protection(cpu, physical, 2, ACCESS_FETCH, privilegeFor(cpu, ACCESS_FETCH)) != ALLOWED) return refuse(cpu, virtual)
  const machine = toMachine(cpu, physical, 0)
  if (machine == FAILED) {
    stopWithFailure(cpu, ACCESS_FETCH, virtual)
    return 0
  }
  if (!inRam(machine, 2)) return refuse(cpu, virtual)
  if (TIMED) {
    touchPage(cpu, virtual, ACCESS_FETCH)
    touchFetch(cpu, hostOf(machine))
  }
  const raw = u32(load<u16>(rawAt(slot, ip))) | (u32(load<u16>(hostOf(machine))) << 16)
  const scratch = u32(cpu + LAYOUT_SCRATCH)
  store<u32>(cpu, raw, LAYOUT_SCRATCH_RAW)
  decodeInto(scratch, raw, NOWHERE)
  store<u8>(scratch + 16, OP_PAGE_END)
  return scratch
}
