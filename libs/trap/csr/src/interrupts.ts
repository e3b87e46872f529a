/**
 * Which interrupt a hart takes next, when a waiting hart wakes, and when its timer will ring.
 *
 * Privileged manual, "Machine Interrupt Registers" and the Sstc extension. Nothing here changes state: trap.ts takes the trap.
 */
import { Interrupt, MACHINE_INTERRUPTS, SEIP, SSIP, STIP, type InterruptNumber } from "./causes.ts"
import { Slot, type CsrFile } from "./csr-file.ts"
import type { Moment } from "./moment.ts"
import { MACHINE, SUPERVISOR } from "./privilege.ts"
import { currentPrivilege, MIE, SIE } from "./status.ts"

/** menvcfg.STCE: S-mode owns `stimecmp`, and STIP is a comparison instead of a bit. */
export const STCE = 1n << 63n

/** Order among simultaneous interrupts of one destination. Privileged manual, "Machine Interrupt Registers". */
const PRIORITY: readonly InterruptNumber[] = [
  Interrupt.machineExternal,
  Interrupt.machineSoftware,
  Interrupt.machineTimer,
  Interrupt.supervisorExternal,
  Interrupt.supervisorSoftware,
  Interrupt.supervisorTimer,
]

export function supervisorTimerOwned(file: CsrFile): boolean {
  return (file.get(Slot.menvcfg) & STCE) !== 0n
}

/** `mip` as the guest sees it: wires, software bits and the comparison of Sstc. */
export function pendingBits(file: CsrFile, moment: Moment): bigint {
  const lines = file.get(Slot.lines) & (MACHINE_INTERRUPTS | SEIP)
  const software = file.get(Slot.mipSoftware)
  if (!supervisorTimerOwned(file)) return lines | (software & (SSIP | STIP | SEIP))
  const rung = moment.time >= file.get(Slot.stimecmp)
  return lines | (software & (SSIP | SEIP)) | (rung ? STIP : 0n)
}

/** The interrupt that must be taken before the next instruction, or null. Ask after every change of status, wires or time. */
export function interruptToTake(file: CsrFile, moment: Moment): InterruptNumber | null {
  // Asked before every entry to the engine: the two cheap answers first.
  const enabled = file.get(Slot.mie)
  if (enabled === 0n) return null
  const candidates = pendingBits(file, moment) & enabled
  if (candidates === 0n) return null
  const privilege = currentPrivilege(file)
  const mstatus = file.get(Slot.mstatus)
  const delegated = file.get(Slot.mideleg)
  // The global enable of a level counts only at that level: below it interrupts are always on, above it always off.
  const machineOn = privilege < MACHINE || (mstatus & MIE) !== 0n
  const machine = machineOn ? candidates & ~delegated : 0n
  if (machine !== 0n) return first(machine)
  const supervisorOn = privilege < SUPERVISOR || (privilege === SUPERVISOR && (mstatus & SIE) !== 0n)
  const supervisor = supervisorOn ? candidates & delegated : 0n
  return supervisor !== 0n ? first(supervisor) : null
}

/** `wfi` ends as soon as a locally enabled interrupt is pending, whatever the global enables and delegation say. */
export function wakes(file: CsrFile, moment: Moment): boolean {
  return (pendingBits(file, moment) & file.get(Slot.mie)) !== 0n
}

/** The `mtime` at which STIP rises by itself, or null: software drives the bit, or the interrupt is not enabled. */
export function supervisorTimerDeadline(file: CsrFile): bigint | null {
  const enabled = (file.get(Slot.mie) & STIP) !== 0n
  return enabled && supervisorTimerOwned(file) ? file.get(Slot.stimecmp) : null
}

function first(bits: bigint): InterruptNumber | null {
  return PRIORITY.find((interrupt) => (bits & (1n << BigInt(interrupt))) !== 0n) ?? null
}
