/**
 * What the address translation of the engine depends on, read out of the CSR file in one piece.
 *
 * Not here: the walk of Sv39 and its accessed and dirty bits: the engine does that. Privileged manual, "Sv39".
 */
import { Slot, type CsrFile } from "./csr-file.ts"
import { MACHINE, type Privilege } from "./privilege.ts"
import { currentPrivilege, dataPrivilege, MXR, SUM } from "./status.ts"

const SATP_MODE_SHIFT = 60n
const SATP_BARE = 0n
const SATP_SV39 = 8n
const SATP_PAGE_NUMBER = (1n << 44n) - 1n

/** The same shape as `Translation` of compute/contract, so that it can be handed to an engine as it is. */
export interface TranslationView {
  readonly mode: "bare" | "sv39"
  /** Physical page number of the root table. */
  readonly root: bigint
  readonly fetchPrivilege: Privilege
  /** Differs from `fetchPrivilege` while MPRV is set in M-mode. */
  readonly dataPrivilege: Privilege
  readonly sum: boolean
  readonly mxr: boolean
}

export function translationOf(file: CsrFile): TranslationView {
  const satp = file.get(Slot.satp)
  const mstatus = file.get(Slot.mstatus)
  const fetch = currentPrivilege(file)
  const data = dataPrivilege(file)
  const physical = (fetch === MACHINE && data === MACHINE) || satp >> SATP_MODE_SHIFT !== SATP_SV39
  return {
    mode: physical ? "bare" : "sv39",
    root: physical ? 0n : satp & SATP_PAGE_NUMBER,
    fetchPrivilege: fetch,
    dataPrivilege: data,
    sum: (mstatus & SUM) !== 0n,
    mxr: (mstatus & MXR) !== 0n,
  }
}

/** WARL: a write with a mode other than bare or Sv39 has no effect at all, which is how kernels probe for Sv48 and Sv57. */
export function writeSatp(file: CsrFile, value: bigint): void {
  const mode = value >> SATP_MODE_SHIFT
  if (mode === SATP_BARE || mode === SATP_SV39) file.set(Slot.satp, value)
}
