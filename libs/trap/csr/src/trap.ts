/**
 * Entering and leaving a trap handler: delegation, the two-deep stack of enables and privileges, the vector.
 *
 * Privileged manual, "Privilege and Global Interrupt-Enable Stack in mstatus", "Trap Delegation", "Trap-Return Instructions".
 * A caller that takes a trap or returns from one must ask `interruptToTake` before the next instruction.
 */
import { CAUSE_INTERRUPT } from "./causes.ts"
import { Slot, type CsrFile } from "./csr-file.ts"
import { MACHINE, privilegeFrom, SUPERVISOR, USER, type Privilege } from "./privilege.ts"
import { isTlbCause } from "./tlb-translation.ts"
import { addressSpaceOf } from "./translation.ts"
import { currentPrivilege, MIE, MPIE, MPP, MPP_SHIFT, MPRV, SIE, SPIE, SPP } from "./status.ts"

export interface Trap {
  /** Code without the interrupt bit. */
  readonly cause: number
  readonly interrupt: boolean
  /** What goes to xtval: the faulting address, the illegal instruction, or 0. */
  readonly value: bigint
  /** What goes to xepc: the trapping instruction, or the next one for an interrupt. */
  readonly pc: bigint
}

const VECTOR_MODE = 3n

/** Takes the trap and returns the handler's address. */
export function enterTrap(file: CsrFile, trap: Trap): bigint {
  const from = currentPrivilege(file)
  const cause = BigInt(trap.cause)
  const delegation = file.get(trap.interrupt ? Slot.mideleg : Slot.medeleg)
  // A trap never goes to a level below the one it came from: M-mode's own traps stay there, delegated or not.
  const delegated = from !== MACHINE && ((delegation >> cause) & 1n) !== 0n
  const recorded = trap.interrupt ? CAUSE_INTERRUPT | cause : cause
  if (!trap.interrupt && isTlbCause(trap.cause)) file.tlb?.missed(trap.value, addressSpaceOf(file))
  return delegated ? enterSupervisor(file, { trap, recorded, from }) : enterMachine(file, { trap, recorded, from })
}

interface Entry {
  readonly trap: Trap
  readonly recorded: bigint
  readonly from: Privilege
}

function enterSupervisor(file: CsrFile, { trap, recorded, from }: Entry): bigint {
  const old = file.get(Slot.mstatus)
  const previousEnable = (old & SIE) !== 0n ? SPIE : 0n
  const previousPrivilege = from === SUPERVISOR ? SPP : 0n
  file.set(Slot.mstatus, (old & ~(SIE | SPIE | SPP)) | previousEnable | previousPrivilege)
  file.set(Slot.scause, recorded)
  file.set(Slot.sepc, trap.pc & ~1n)
  file.set(Slot.stval, trap.value)
  file.set(Slot.privilege, BigInt(SUPERVISOR))
  return supervisorVector(file, trap)
}

function enterMachine(file: CsrFile, { trap, recorded, from }: Entry): bigint {
  const old = file.get(Slot.mstatus)
  const previousEnable = (old & MIE) !== 0n ? MPIE : 0n
  file.set(Slot.mstatus, (old & ~(MIE | MPIE | MPP)) | previousEnable | (BigInt(from) << MPP_SHIFT))
  file.set(Slot.mcause, recorded)
  file.set(Slot.mepc, trap.pc & ~1n)
  file.set(Slot.mtval, trap.value)
  file.set(Slot.privilege, BigInt(MACHINE))
  return vector(file.get(Slot.mtvec), trap)
}

/** The causes of a software TLB have a handler of their own, if the kernel named one. */
function supervisorVector(file: CsrFile, trap: Trap): bigint {
  const refill = file.tlb?.vector ?? 0n
  return refill !== 0n && !trap.interrupt && isTlbCause(trap.cause) ? refill : vector(file.get(Slot.stvec), trap)
}

/** Vectored mode spreads interrupts only; every exception goes to the base. */
function vector(tvec: bigint, trap: Trap): bigint {
  const base = tvec & ~VECTOR_MODE
  return (tvec & VECTOR_MODE) === 1n && trap.interrupt ? BigInt.asUintN(64, base + 4n * BigInt(trap.cause)) : base
}

/** `mret`: pops the machine stack, returns the address to go on at. */
export function returnFromMachine(file: CsrFile): bigint {
  const old = file.get(Slot.mstatus)
  const to = privilegeFrom(old >> MPP_SHIFT)
  const enable = (old & MPIE) !== 0n ? MIE : 0n
  // MPP becomes the least privileged level, so that a second mret without a trap between can not rise again.
  const popped = (old & ~(MIE | MPP)) | enable | MPIE
  leave(file, { status: popped, to })
  return file.get(Slot.mepc)
}

/** `sret`: pops the supervisor stack, returns the address to go on at. */
export function returnFromSupervisor(file: CsrFile): bigint {
  const old = file.get(Slot.mstatus)
  const to = (old & SPP) !== 0n ? SUPERVISOR : USER
  const enable = (old & SPIE) !== 0n ? SIE : 0n
  const popped = (old & ~(SIE | SPP)) | enable | SPIE
  leave(file, { status: popped, to })
  return file.get(Slot.sepc)
}

/** MPRV ends when a return leaves M-mode. */
function leave(file: CsrFile, { status, to }: { status: bigint; to: Privilege }): void {
  file.set(Slot.mstatus, to === MACHINE ? status : status & ~MPRV)
  file.set(Slot.privilege, BigInt(to))
}
