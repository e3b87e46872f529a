/**
 * Fields of `mstatus`, which bits of it can be written, and the part of it that `sstatus` shows.
 *
 * Privileged manual, "Machine Status Registers". There is no FPU and no vector unit: FS, VS, XS and SD are read-only zero; all
 * harts are little-endian: MBE, SBE and UBE are read-only zero.
 */
import { Slot, STATUS_XLEN, type CsrFile } from "./csr-file.ts"
import { privilegeFrom, type Privilege } from "./privilege.ts"

export const SIE = 1n << 1n
export const MIE = 1n << 3n
export const SPIE = 1n << 5n
export const MPIE = 1n << 7n
export const SPP = 1n << 8n
export const MPP_SHIFT = 11n
export const MPP = 3n << MPP_SHIFT
export const MPRV = 1n << 17n
export const SUM = 1n << 18n
export const MXR = 1n << 19n
export const TVM = 1n << 20n
export const TW = 1n << 21n
export const TSR = 1n << 22n

export const MSTATUS_WRITABLE = SIE | MIE | SPIE | MPIE | SPP | MPP | MPRV | SUM | MXR | TVM | TW | TSR
export const SSTATUS_WRITABLE = SIE | SPIE | SPP | SUM | MXR
/** sstatus shows UXL but not SXL. */
const SSTATUS_VISIBLE = SSTATUS_WRITABLE | (2n << 32n)

/** WARL: the reserved level 2 leaves MPP as it was, so that xRET always finds a legal privilege. */
export function legalStatus(old: bigint, value: bigint): bigint {
  const written = (old & ~MSTATUS_WRITABLE) | (value & MSTATUS_WRITABLE) | STATUS_XLEN
  const reserved = (value & MPP) >> MPP_SHIFT === 2n
  return reserved ? (written & ~MPP) | (old & MPP) : written
}

export function supervisorView(mstatus: bigint): bigint {
  return mstatus & SSTATUS_VISIBLE
}

/** A write through sstatus touches only what sstatus may write. */
export function mergeSupervisorStatus(mstatus: bigint, value: bigint): bigint {
  return (mstatus & ~SSTATUS_WRITABLE) | (value & SSTATUS_WRITABLE)
}

export function currentPrivilege(file: CsrFile): Privilege {
  return privilegeFrom(file.get(Slot.privilege))
}

/** The privilege that loads and stores are judged by: MPP while MPRV is set in M-mode, else the current one. Fetches ignore MPRV. */
export function dataPrivilege(file: CsrFile): Privilege {
  const current = currentPrivilege(file)
  const mstatus = file.get(Slot.mstatus)
  return current === 3 && (mstatus & MPRV) !== 0n ? privilegeFrom(mstatus >> MPP_SHIFT) : current
}
