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
/** The privileged manual leaves 14 and 15 to custom use: trap/vmm/software-tlb.md. */
const SATP_SOFTWARE_TLB = 14n
const ASID_SHIFT = 44n
const ASIDS = 0xffffn
const SATP_PAGE_NUMBER = (1n << 44n) - 1n

/** The same shape as `Translation` of compute/contract, so that it can be handed to an engine as it is. */
export interface TranslationView {
  readonly mode: "bare" | "sv39" | "refill"
  /** Physical page number of the root table; in mode `refill` the number of the address space. */
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
  const scheme = fetch === MACHINE && data === MACHINE ? SATP_BARE : satp >> SATP_MODE_SHIFT
  return {
    mode: scheme === SATP_SV39 ? "sv39" : scheme === SATP_SOFTWARE_TLB ? "refill" : "bare",
    root: scheme === SATP_SV39 ? satp & SATP_PAGE_NUMBER : scheme === SATP_SOFTWARE_TLB ? BigInt(addressSpaceOf(file)) : 0n,
    fetchPrivilege: fetch,
    dataPrivilege: data,
    sum: (mstatus & SUM) !== 0n,
    mxr: (mstatus & MXR) !== 0n,
  }
}

/** The ASID of `satp`, 16 bits. */
export function addressSpaceOf(file: CsrFile): number {
  return Number((file.get(Slot.satp) >> ASID_SHIFT) & ASIDS)
}

/** WARL: a write with a mode that there is not has no effect at all, which is how kernels probe for Sv48, Sv57 and a software TLB. */
export function writeSatp(file: CsrFile, value: bigint): void {
  const mode = value >> SATP_MODE_SHIFT
  if (mode === SATP_BARE || mode === SATP_SV39 || (mode === SATP_SOFTWARE_TLB && file.tlb !== null)) file.set(Slot.satp, value)
}
