/**
 * One CSR instruction as a read and a write: which of the two happen, and who may do them.
 *
 * Unprivileged manual, "Zicsr"; privileged manual, "CSR Address Mapping Conventions". Not here: what each register keeps (csr-table.ts).
 */
import { csrByNumber, type Affects } from "./csr-table.ts"
import { Slot, type CsrFile } from "./csr-file.ts"
import type { Moment } from "./moment.ts"
import { currentPrivilege, MPP, MPRV, MXR, SUM } from "./status.ts"

export type CsrOperation = "write" | "set" | "clear"

export interface CsrAccess {
  readonly number: number
  readonly operation: CsrOperation
  /** Value of rs1, or the immediate. */
  readonly operand: bigint
  /** rd is not x0. Without it `csrrw` must not read. */
  readonly reads: boolean
  /** Always true of `csrrw`; for `csrrs` and `csrrc` the *field* rs1 is not zero. A register that holds zero still writes. */
  readonly writes: boolean
}

/** `value` is null when the instruction must not read. */
export type CsrOutcome = { readonly kind: "done"; readonly value: bigint | null; readonly affects: Affects } | { readonly kind: "illegal" }

const ILLEGAL: CsrOutcome = { kind: "illegal" }
/** Bits 11…10 of the number are 3 for read-only registers. */
const READ_ONLY = 3

export function accessCsr(file: CsrFile, access: CsrAccess, moment: Moment): CsrOutcome {
  const csr = csrByNumber(access.number)
  if (csr === undefined) return ILLEGAL
  const privilege = currentPrivilege(file)
  if (((access.number >> 8) & 3) > privilege) return ILLEGAL
  if (access.writes && access.number >> 10 === READ_ONLY) return ILLEGAL
  if (csr.guard !== undefined && !csr.guard(file, privilege)) return ILLEGAL

  const value = access.reads ? csr.read(file, moment) : null
  if (!access.writes) return { kind: "done", value, affects: "nothing" }
  const old = access.operation === "write" ? 0n : (csr.readForModify ?? csr.read)(file, moment)
  const before = file.get(Slot.mstatus)
  csr.write(file, combine(old, access), moment)
  return { kind: "done", value, affects: csr.affects === "both" ? statusAffects(before, file.get(Slot.mstatus)) : csr.affects }
}

/** Nearly all writes of status turn interrupts on and off, and leave translation alone. */
function statusAffects(before: bigint, after: bigint): Affects {
  return ((before ^ after) & (MPRV | MPP | SUM | MXR)) === 0n ? "interrupts" : "both"
}

function combine(old: bigint, { operation, operand }: CsrAccess): bigint {
  switch (operation) {
    case "write":
      return operand
    case "set":
      return old | operand
    case "clear":
      return old & ~operand
  }
}
