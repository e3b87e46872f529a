/**
 * What a CPU does of its privileged operations without the host: the usual CSRs, its own traps, mret and sret, and where asked satp and sfence.vma.
 *
 * The rules are trap/csr's, on the same slots; a test runs both. Whatever is rare, depends on time or is illegal leaves as it always did, and so does
 * all that the host did not ask for (LAYOUT.SERVE). Privileged manual, "Supervisor-Level ISA", "Machine-Level ISA".
 */
import {
  CONTEXT_BYTES, CONTEXT_COUNT, CSR_SLOT_MCAUSE, CSR_SLOT_MEDELEG, CSR_SLOT_MEPC, CSR_SLOT_MHARTID, CSR_SLOT_MIDELEG, CSR_SLOT_MIE, CSR_SLOT_MSCRATCH, CSR_SLOT_MSTATUS,
  CSR_SLOT_MTVAL, CSR_SLOT_MTVEC, CSR_SLOT_PRIVILEGE, CSR_SLOT_SATP, CSR_SLOT_SCAUSE, CSR_SLOT_SEPC, CSR_SLOT_SSCRATCH, CSR_SLOT_STVAL, CSR_SLOT_STVEC,
  LAYOUT_CALLS, LAYOUT_CALLS_EXITS, LAYOUT_CALLS_FEWEST, LAYOUT_CALLS_MOST, LAYOUT_CALL_BASE, LAYOUT_CALL_CLOSED, LAYOUT_CALL_CLOSED_EXITS, LAYOUT_CALL_INSIDE, LAYOUT_CALL_STATE, LAYOUT_CONTEXTS, LAYOUT_DATA_PRIVILEGE, LAYOUT_EXIT_CAUSE, LAYOUT_EXIT_INSTRUCTION, LAYOUT_EXIT_VALUE,
  LAYOUT_FENCES_LEAVE, LAYOUT_FETCH_PRIVILEGE, LAYOUT_INSTRET, LAYOUT_MODE, LAYOUT_MOVED, LAYOUT_PC, LAYOUT_PENDING, LAYOUT_ROOT, LAYOUT_SERVE, LAYOUT_SERVED_CSRS, LAYOUT_SERVED_FENCES,
  LAYOUT_SERVED_RETURNS, LAYOUT_SERVED_SATPS, LAYOUT_SERVED_TRAPS, LAYOUT_TRANSLATION_FLAGS, LAYOUT_TRAPPED_LAST, LAYOUT_TRAPS_NESTED, LAYOUT_VIRTUAL_CSRS, MODE_BARE, MODE_SV39,
  SERVED_CAUSES, SERVED_FIELDS, SERVE_CALLS_LEAVE, SERVE_CONTEXTS, SERVE_EXITS_ALL, SERVE_EXITS_SPACES, SERVE_ROUNDS, SERVE_SPACES, TRAPS_NESTED_SERVED_MAX,
} from "./layout" // prettier-ignore
import { cameRound, forgetRound } from "./kernel-rounds"
import { selectTranslation } from "./look-up"
import { fence } from "./tables"

/** Answers: the host must see it; or it is done, and then whether the instruction retired and whether interrupts must be looked at. */
export const LEFT: u32 = 0
export const SERVED: u32 = 1
export const RETIRED: u32 = 2
export const LOOK: u32 = 4

const SIE: u64 = 1 << 1
const MIE: u64 = 1 << 3
const SPIE: u64 = 1 << 5
const MPIE: u64 = 1 << 7
const SPP: u64 = 1 << 8
const MPP_SHIFT: u64 = 11
const MPP: u64 = 3 << 11
const MPRV: u64 = 1 << 17
const SUM: u64 = 1 << 18
const MXR: u64 = 1 << 19
const TVM: u64 = 1 << 20
const TW_TSR: u64 = 3 << 21
const TSR: u64 = 1 << 22
const XLEN: u64 = (2 << 32) | (2 << 34)
const UXL: u64 = 2 << 32
const SSTATUS: u64 = SIE | SPIE | SPP | SUM | MXR
const MSTATUS: u64 = SSTATUS | MIE | MPIE | MPP | MPRV | TVM | TW_TSR
/** What translation looks at. */
const REACH: u64 = MPRV | MPP | SUM | MXR
const PAGE_NUMBER: u64 = 0xfff_ffff_ffff
const SV39: u64 = 8
const ECALL_FROM_USER: u32 = 8
const NOWHERE: u32 = 0xffff_ffff

/** Instructions of the run before the last trap that was served. */
let trappedAt: u32 = NOWHERE

// @ts-ignore: decorator
@inline
function csr(cpu: u32, slot: u32): u64 {
  return load<u64>(cpu + (slot << 3), LAYOUT_VIRTUAL_CSRS)
}

// @ts-ignore: decorator
@inline
function setCsr(cpu: u32, slot: u32, value: u64): void {
  store<u64>(cpu + (slot << 3), value, LAYOUT_VIRTUAL_CSRS)
}

// @ts-ignore: decorator
@inline
function count(cpu: u32, field: u32): void {
  store<u32>(cpu + field, load<u32>(cpu + field) + 1)
}

export function beginServing(cpu: u32): void {
  trappedAt = NOWHERE
  store<u32>(cpu, 0, LAYOUT_TRAPPED_LAST)
}

export function endServing(cpu: u32, retired: u32): void {
  store<u32>(cpu, trappedAt == retired ? 1 : 0, LAYOUT_TRAPPED_LAST)
}

/** Could an interrupt have become one to take? The host decides; this only says when it need not. */
// @ts-ignore: decorator
@inline
function look(cpu: u32): u32 {
  return load<u64>(cpu, LAYOUT_PENDING) & csr(cpu, CSR_SLOT_MIE) ? LOOK : 0
}

function retire(cpu: u32): u32 {
  store<u64>(cpu, load<u64>(cpu, LAYOUT_PC) + 4, LAYOUT_PC)
  store<u64>(cpu, load<u64>(cpu, LAYOUT_INSTRET) + 1, LAYOUT_INSTRET)
  return SERVED | RETIRED
}

/** The instruction of an exit `system`. */
export function serveSystem(cpu: u32, retired: u32): u32 {
  const raw = load<u32>(cpu, LAYOUT_EXIT_INSTRUCTION)
  if ((raw & 3) != 3) return LEFT // c.ebreak
  const operation = (raw >>> 12) & 7
  if (operation & 3) return serveCsr(cpu, raw, operation & 3)
  if (operation != 0) return LEFT
  const privilege = u32(csr(cpu, CSR_SLOT_PRIVILEGE))
  const status = csr(cpu, CSR_SLOT_MSTATUS)
  switch (raw) {
    case 0x0000_0073:
      if (privilege == 1 && load<u32>(cpu, LAYOUT_SERVE) & SERVE_CALLS_LEAVE) return LEFT
      return trap(cpu, ECALL_FROM_USER + privilege, 0, retired)
    case 0x1020_0073:
      if (privilege == 0 || (privilege == 1 && status & TSR)) return LEFT
      return returnTo(cpu, status & SPP ? 1 : 0, (status & ~(SIE | SPP)) | (status & SPIE ? SIE : 0) | SPIE, CSR_SLOT_SEPC)
    case 0x3020_0073:
      if (privilege != 3) return LEFT
      return returnTo(cpu, level(status >> MPP_SHIFT), (status & ~(MIE | MPP)) | (status & MPIE ? MIE : 0) | MPIE, CSR_SLOT_MEPC)
    default:
      if (raw >>> 25 != 9 || (raw >>> 7) & 31 || !(load<u32>(cpu, LAYOUT_SERVE) & SERVE_SPACES)) return LEFT
      if (privilege == 0 || (privilege == 1 && status & TVM)) return LEFT
      // The host's own trees: it forgets what hangs on tables that were written; where there are none, nobody has anything to forget.
      if (load<u32>(cpu, LAYOUT_SERVE) & SERVE_CONTEXTS) {
        if (load<u32>(cpu, LAYOUT_FENCES_LEAVE)) return LEFT
      } else {
        const register = (raw >>> 15) & 31
        fence(cpu, load<u64>(cpu + (register << 3)), register)
      }
      count(cpu, LAYOUT_SERVED_FENCES)
      return retire(cpu)
  }
}

// @ts-ignore: decorator
@inline
function level(bits: u64): u32 {
  const low = u32(bits) & 3
  return low == 2 ? 0 : low
}

/** An exit `exception` as the CPU's own trap. */
export function serveException(cpu: u32, retired: u32): u32 {
  const cause = load<u32>(cpu, LAYOUT_EXIT_CAUSE)
  if (cause >= SERVED_CAUSES) return LEFT
  // They may be the host's own: an entry that it has not made yet.
  if (cause >= 12 && load<u32>(cpu, LAYOUT_SERVE) & SERVE_CONTEXTS) return LEFT
  return trap(cpu, cause, load<u64>(cpu, LAYOUT_EXIT_VALUE), retired)
}

function trap(cpu: u32, cause: u32, value: u64, retired: u32): u32 {
  // Traps without an instruction between are counted by the host, who calls the CPU stuck at some time.
  if (retired == 0 || trappedAt == retired || load<u32>(cpu, LAYOUT_TRAPS_NESTED) >= TRAPS_NESTED_SERVED_MAX) return LEFT
  const from = u32(csr(cpu, CSR_SLOT_PRIVILEGE))
  const old = csr(cpu, CSR_SLOT_MSTATUS)
  const delegated = from != 3 && (csr(cpu, CSR_SLOT_MEDELEG) >> u64(cause)) & 1
  const status = delegated
    ? (old & ~(SIE | SPIE | SPP)) | (old & SIE ? SPIE : 0) | (from == 1 ? SPP : 0)
    : (old & ~(MIE | MPIE | MPP)) | (old & MIE ? MPIE : 0) | (u64(from) << MPP_SHIFT)
  if (!move(cpu, delegated ? 1 : 3, status, csr(cpu, CSR_SLOT_SATP))) return LEFT
  const pc = load<u64>(cpu, LAYOUT_PC)
  if (delegated) {
    setCsr(cpu, CSR_SLOT_SCAUSE, cause)
    setCsr(cpu, CSR_SLOT_SEPC, pc)
    setCsr(cpu, CSR_SLOT_STVAL, value)
    store<u64>(cpu, csr(cpu, CSR_SLOT_STVEC) & ~3, LAYOUT_PC)
  } else {
    setCsr(cpu, CSR_SLOT_MCAUSE, cause)
    setCsr(cpu, CSR_SLOT_MEPC, pc)
    setCsr(cpu, CSR_SLOT_MTVAL, value)
    store<u64>(cpu, csr(cpu, CSR_SLOT_MTVEC) & ~3, LAYOUT_PC)
  }
  setCsr(cpu, CSR_SLOT_PRIVILEGE, delegated ? 1 : 3)
  setCsr(cpu, CSR_SLOT_MSTATUS, status)
  trappedAt = retired
  if (from == 0) forgetRound(cpu)
  count(cpu, LAYOUT_TRAPS_NESTED)
  if (cause == ECALL_FROM_USER) openCall(cpu)
  count(cpu, LAYOUT_SERVED_TRAPS + (cause << 2))
  return SERVED | look(cpu)
}

function returnTo(cpu: u32, to: u32, popped: u64, from: u32): u32 {
  const status = to == 3 ? popped : popped & ~MPRV
  if (!move(cpu, to, status, csr(cpu, CSR_SLOT_SATP))) return LEFT
  setCsr(cpu, CSR_SLOT_MSTATUS, status)
  setCsr(cpu, CSR_SLOT_PRIVILEGE, to)
  retire(cpu)
  store<u64>(cpu, csr(cpu, from), LAYOUT_PC)
  store<u32>(cpu, 0, LAYOUT_TRAPS_NESTED)
  if (to == 0) {
    forgetRound(cpu)
    closeCall(cpu)
  }
  count(cpu, LAYOUT_SERVED_RETURNS)
  return SERVED | RETIRED | look(cpu)
}

/** One that is open is given up: whoever called sleeps. The environment call itself is counted after this, and falls into none. */
function openCall(cpu: u32): void {
  if (load<u32>(cpu, LAYOUT_SERVE) & (SERVE_EXITS_ALL | SERVE_EXITS_SPACES)) {
    lookAtCall(cpu, load<u32>(cpu, LAYOUT_CALL_STATE) != 0)
    count(cpu, LAYOUT_CALL_BASE + LAYOUT_SERVED_TRAPS - LAYOUT_SERVED_CSRS + (ECALL_FROM_USER << 2))
  }
  store<u32>(cpu, 2, LAYOUT_CALL_STATE)
}

function closeCall(cpu: u32): void {
  const state = load<u32>(cpu, LAYOUT_CALL_STATE)
  if (state == 0) return
  const exits = load<u32>(cpu, LAYOUT_SERVE) & (SERVE_EXITS_ALL | SERVE_EXITS_SPACES) ? lookAtCall(cpu, true) : 0
  if (state == 1) {
    store<u32>(cpu, 1, LAYOUT_CALL_CLOSED)
    store<u32>(cpu, exits, LAYOUT_CALL_CLOSED_EXITS)
  } else {
    if (load<u32>(cpu, LAYOUT_CALLS) == 0 || exits < load<u32>(cpu, LAYOUT_CALLS_FEWEST)) store<u32>(cpu, exits, LAYOUT_CALLS_FEWEST)
    if (exits > load<u32>(cpu, LAYOUT_CALLS_MOST)) store<u32>(cpu, exits, LAYOUT_CALLS_MOST)
    store<u32>(cpu, load<u32>(cpu, LAYOUT_CALLS_EXITS) + exits, LAYOUT_CALLS_EXITS)
    count(cpu, LAYOUT_CALLS)
  }
  store<u32>(cpu, 0, LAYOUT_CALL_STATE)
}

/** From here on anew; what was served since the last look fell into a call, or not. How many exits that were. */
export function lookAtCall(cpu: u32, inside: bool): u32 {
  const all = load<u32>(cpu, LAYOUT_SERVE) & SERVE_EXITS_ALL
  let exits: u32 = 0
  for (let field: u32 = 0; field < SERVED_FIELDS; field++) {
    const at = cpu + (field << 2)
    const now = load<u32>(at, LAYOUT_SERVED_CSRS)
    const more = now - load<u32>(at, LAYOUT_CALL_BASE)
    store<u32>(at, now, LAYOUT_CALL_BASE)
    if (!inside || more == 0) continue
    store<u32>(at, load<u32>(at, LAYOUT_CALL_INSIDE) + more, LAYOUT_CALL_INSIDE)
    if (all || isOfSpaces(field)) exits += more
  }
  return exits
}

// @ts-ignore: decorator
@inline
function isOfSpaces(field: u32): bool {
  const offset = LAYOUT_SERVED_CSRS + (field << 2)
  return offset == LAYOUT_SERVED_FENCES || offset == LAYOUT_SERVED_SATPS
}

/** Translation for this state. False, and nothing has changed: the host has not said which. */
function move(cpu: u32, privilege: u32, status: u64, satp: u64): bool {
  const data = privilege == 3 && status & MPRV ? level(status >> MPP_SHIFT) : privilege
  const walks = satp >> 60 == SV39 && (privilege != 3 || data != 3)
  const mode = walks ? MODE_SV39 : MODE_BARE
  const flags = walks ? (status & SUM ? u32(1) : 0) | (status & MXR ? u32(2) : 0) : 0
  const root = walks ? satp & PAGE_NUMBER : 0
  if (load<u32>(cpu, LAYOUT_SERVE) & SERVE_CONTEXTS) return moveByTable(cpu, mode | (privilege << 4) | (data << 8) | (flags << 12), root)
  store<u32>(cpu, mode, LAYOUT_MODE)
  store<u32>(cpu, privilege, LAYOUT_FETCH_PRIVILEGE)
  store<u32>(cpu, data, LAYOUT_DATA_PRIVILEGE)
  store<u32>(cpu, flags, LAYOUT_TRANSLATION_FLAGS)
  store<u64>(cpu, root, LAYOUT_ROOT)
  moved(cpu)
  return true
}

function moveByTable(cpu: u32, how: u32, root: u64): bool {
  for (let index: u32 = 0; index < CONTEXT_COUNT; index++) {
    const context = cpu + LAYOUT_CONTEXTS + index * CONTEXT_BYTES
    if (load<u32>(context, 4) == 0 || load<u32>(context) != how || load<u64>(context, 8) != root) continue
    // All else of the translation is the same for all of them.
    store<u64>(cpu, load<u64>(context, 16), LAYOUT_ROOT)
    moved(cpu)
    return true
  }
  return false
}

function moved(cpu: u32): void {
  selectTranslation(cpu)
  store<u32>(cpu, 1, LAYOUT_MOVED)
}

function serveCsr(cpu: u32, raw: u32, operation: u32): u32 {
  const number = raw >>> 20
  if (((number >>> 8) & 3) > u32(csr(cpu, CSR_SLOT_PRIVILEGE))) return LEFT
  const field = (raw >>> 15) & 31
  const operand = raw & 0x4000 ? u64(field) : load<u64>(cpu + (field << 3))
  const writes = operation == 1 || field != 0
  switch (number) {
    case 0x100:
    case 0x300:
      return serveStatus(cpu, raw, operation, operand, writes)
    case 0x104:
      return writes ? LEFT : done(cpu, raw, csr(cpu, CSR_SLOT_MIE) & csr(cpu, CSR_SLOT_MIDELEG))
    case 0x304:
      return writes ? LEFT : done(cpu, raw, csr(cpu, CSR_SLOT_MIE))
    case 0xf14:
      return writes ? LEFT : done(cpu, raw, csr(cpu, CSR_SLOT_MHARTID))
    case 0x180:
      return serveSatp(cpu, raw, operation, operand, writes)
    case 0x105:
      return serveVector(cpu, raw, CSR_SLOT_STVEC, operation, operand, writes)
    case 0x305:
      return serveVector(cpu, raw, CSR_SLOT_MTVEC, operation, operand, writes)
    case 0x140:
      return serveKept(cpu, raw, CSR_SLOT_SSCRATCH, operation, operand, writes, 0)
    case 0x141:
      return serveKept(cpu, raw, CSR_SLOT_SEPC, operation, operand, writes, 1)
    case 0x142:
      return serveKept(cpu, raw, CSR_SLOT_SCAUSE, operation, operand, writes, 0)
    case 0x143:
      return serveKept(cpu, raw, CSR_SLOT_STVAL, operation, operand, writes, 0)
    case 0x340:
      return serveKept(cpu, raw, CSR_SLOT_MSCRATCH, operation, operand, writes, 0)
    case 0x341:
      return serveKept(cpu, raw, CSR_SLOT_MEPC, operation, operand, writes, 1)
    case 0x342:
      return serveKept(cpu, raw, CSR_SLOT_MCAUSE, operation, operand, writes, 0)
    case 0x343:
      return serveKept(cpu, raw, CSR_SLOT_MTVAL, operation, operand, writes, 0)
    default:
      return LEFT
  }
}

// @ts-ignore: decorator
@inline
function combine(old: u64, operation: u32, operand: u64): u64 {
  return operation == 1 ? operand : operation == 2 ? old | operand : old & ~operand
}

/** Retires; `value` goes to rd. */
function done(cpu: u32, raw: u32, value: u64): u32 {
  return doneAs(cpu, raw, value, LAYOUT_SERVED_CSRS)
}

/** `counted`: the field that counts it. */
function doneAs(cpu: u32, raw: u32, value: u64, counted: u32): u32 {
  const rd = (raw >>> 7) & 31
  if (rd != 0) store<u64>(cpu + (rd << 3), value)
  count(cpu, counted)
  return retire(cpu)
}

/** `cleared`: bits that are always zero. */
function serveKept(cpu: u32, raw: u32, slot: u32, operation: u32, operand: u64, writes: bool, cleared: u64): u32 {
  const old = csr(cpu, slot)
  if (writes) setCsr(cpu, slot, combine(old, operation, operand) & ~cleared)
  return done(cpu, raw, old)
}

function serveVector(cpu: u32, raw: u32, slot: u32, operation: u32, operand: u64, writes: bool): u32 {
  const old = csr(cpu, slot)
  const value = combine(old, operation, operand)
  if (writes && (value & 3) < 2) setCsr(cpu, slot, value)
  return done(cpu, raw, old)
}

function serveStatus(cpu: u32, raw: u32, operation: u32, operand: u64, writes: bool): u32 {
  const supervisor = raw >>> 20 == 0x100
  const before = csr(cpu, CSR_SLOT_MSTATUS)
  const shown = supervisor ? before & (SSTATUS | UXL) : before
  if (!writes) return done(cpu, raw, shown)
  const value = combine(shown, operation, operand)
  const after = supervisor ? (before & ~SSTATUS) | (value & SSTATUS) : legal(before, value)
  if ((before ^ after) & REACH && !move(cpu, u32(csr(cpu, CSR_SLOT_PRIVILEGE)), after, csr(cpu, CSR_SLOT_SATP))) return LEFT
  setCsr(cpu, CSR_SLOT_MSTATUS, after)
  const answer = done(cpu, raw, shown) | look(cpu)
  return after & SIE && load<u32>(cpu, LAYOUT_SERVE) & SERVE_ROUNDS && cameRound(cpu) ? answer | LOOK : answer
}

/** WARL: the reserved level 2 leaves MPP as it was. */
function legal(old: u64, value: u64): u64 {
  const written = (old & ~MSTATUS) | (value & MSTATUS) | XLEN
  return (value & MPP) >> MPP_SHIFT == 2 ? (written & ~MPP) | (old & MPP) : written
}

function serveSatp(cpu: u32, raw: u32, operation: u32, operand: u64, writes: bool): u32 {
  const privilege = u32(csr(cpu, CSR_SLOT_PRIVILEGE))
  const status = csr(cpu, CSR_SLOT_MSTATUS)
  if (!(load<u32>(cpu, LAYOUT_SERVE) & SERVE_SPACES) || (privilege != 3 && status & TVM)) return LEFT
  const old = csr(cpu, CSR_SLOT_SATP)
  if (!writes) return doneAs(cpu, raw, old, LAYOUT_SERVED_SATPS)
  const value = combine(old, operation, operand)
  // A write of another mode has no effect at all.
  if (value >> 60 == 0 || value >> 60 == SV39) {
    if (!move(cpu, privilege, status, value)) return LEFT
    setCsr(cpu, CSR_SLOT_SATP, value)
  }
  return doneAs(cpu, raw, old, LAYOUT_SERVED_SATPS)
}
