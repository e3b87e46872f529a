/**
 * Executes one instruction of the SYSTEM opcode on a CSR file: the single entry of this model for the machine and for the VMM.
 *
 * It never touches general registers, memory or pc: the outcome says what the caller must do. `fence`, `fence.i` and everything
 * else are the engine's. Privileged manual, "Machine-Mode Privileged Instructions" and "Supervisor Instructions".
 */
import { Exception } from "./causes.ts"
import { accessCsr, type CsrOperation } from "./csr-access.ts"
import type { Affects } from "./csr-table.ts"
import type { CsrFile } from "./csr-file.ts"
import { Slot } from "./csr-file.ts"
import type { Moment } from "./moment.ts"
import { MACHINE, SUPERVISOR, USER, type Privilege } from "./privilege.ts"
import { currentPrivilege, TSR, TVM, TW } from "./status.ts"
import { returnFromMachine, returnFromSupervisor } from "./trap.ts"

export interface SystemInstruction {
  /** All 32 bits. A compressed `c.ebreak` is passed as `EBREAK`. */
  readonly word: number
  readonly pc: bigint
  /** Value of the register named by the rs1 field; 0 for x0. */
  readonly rs1: bigint
  /** Value of the register named by the rs2 field: the address space of `sfence.vma`. */
  readonly rs2: bigint
}

/** Which translations `sfence.vma` drops: null means all of them. */
export interface FenceScope {
  readonly address: bigint | null
  readonly addressSpace: bigint | null
}

export type SystemOutcome =
  /** Retires; go on at pc + 4. `value` goes to register `rd`, or null: leave it alone. */
  | { readonly kind: "next"; readonly rd: number; readonly value: bigint | null; readonly affects: Affects }
  /** `mret` or `sret`: retires; privilege has changed; interrupts must be looked at before the instruction at `pc`. */
  | { readonly kind: "return"; readonly pc: bigint }
  /** `wfi`: retires; go on at pc + 4 once `wakes` holds. */
  | { readonly kind: "wait" }
  /** `sfence.vma`: retires; drop translations, go on at pc + 4. */
  | { readonly kind: "fence"; readonly scope: FenceScope }
  /** Does not retire: pass to `enterTrap` with this pc. */
  | { readonly kind: "exception"; readonly cause: number; readonly value: bigint }

export const ECALL = 0x0000_0073
export const EBREAK = 0x0010_0073
export const SRET = 0x1020_0073
export const MRET = 0x3020_0073
export const WFI = 0x1050_0073
const SYSTEM_OPCODE = 0x73
const SFENCE_VMA = 9

const OPERATIONS: readonly (CsrOperation | null)[] = [null, "write", "set", "clear"]

export function executeSystem(file: CsrFile, instruction: SystemInstruction, moment: Moment): SystemOutcome {
  const { word } = instruction
  if ((word & 0x7f) !== SYSTEM_OPCODE) return illegal(word)
  const operation = OPERATIONS[(word >>> 12) & 3] ?? null
  if (operation !== null) return executeCsr(file, { instruction, operation }, moment)
  // Function 4 has no operation; function 0 is told apart by the whole word.
  if (((word >>> 12) & 7) !== 0) return illegal(word)
  return executePrivileged(file, instruction)
}

function executeCsr(file: CsrFile, wanted: { instruction: SystemInstruction; operation: CsrOperation }, moment: Moment): SystemOutcome {
  const { word, rs1 } = wanted.instruction
  const rd = (word >>> 7) & 31
  const field = (word >>> 15) & 31
  const immediate = ((word >>> 14) & 1) === 1
  const outcome = accessCsr(
    file,
    {
      number: word >>> 20,
      operation: wanted.operation,
      operand: immediate ? BigInt(field) : rs1,
      reads: wanted.operation !== "write" || rd !== 0,
      writes: wanted.operation === "write" || field !== 0,
    },
    moment,
  )
  if (outcome.kind === "illegal") return illegal(word)
  return { kind: "next", rd, value: outcome.value, affects: outcome.affects }
}

function executePrivileged(file: CsrFile, { word, pc, rs1, rs2 }: SystemInstruction): SystemOutcome {
  const privilege = currentPrivilege(file)
  const mstatus = file.get(Slot.mstatus)
  switch (word >>> 0) {
    case ECALL:
      // xtval is zero for environment calls: the manual lists no other value.
      return { kind: "exception", cause: callCause(privilege), value: 0n }
    case EBREAK:
      return { kind: "exception", cause: Exception.breakpoint, value: pc }
    case MRET:
      return privilege === MACHINE ? { kind: "return", pc: returnFromMachine(file) } : illegal(word)
    case SRET:
      if (privilege === USER || (privilege === SUPERVISOR && (mstatus & TSR) !== 0n)) return illegal(word)
      return { kind: "return", pc: returnFromSupervisor(file) }
    case WFI:
      // From U-mode always illegal where S-mode exists; TW is a time limit of zero for S-mode.
      if (privilege === USER || (privilege === SUPERVISOR && (mstatus & TW) !== 0n)) return illegal(word)
      return { kind: "wait" }
    default:
      if (word >>> 25 !== SFENCE_VMA || ((word >>> 7) & 31) !== 0) return illegal(word)
      if (privilege === USER || (privilege === SUPERVISOR && (mstatus & TVM) !== 0n)) return illegal(word)
      return fence(file, fenceScope(word, { rs1, rs2 }))
  }
}

function fence(file: CsrFile, scope: FenceScope): SystemOutcome {
  file.tlb?.fence(scope)
  return { kind: "fence", scope }
}

/** The fields decide, not the values: `sfence.vma zero, a0` with a0 = 0 names address space 0. */
function fenceScope(word: number, { rs1, rs2 }: { rs1: bigint; rs2: bigint }): FenceScope {
  return {
    address: ((word >>> 15) & 31) === 0 ? null : rs1,
    addressSpace: ((word >>> 20) & 31) === 0 ? null : rs2 & 0xffffn,
  }
}

function callCause(privilege: Privilege): number {
  switch (privilege) {
    case USER:
      return Exception.ecallFromUser
    case SUPERVISOR:
      return Exception.ecallFromSupervisor
    case MACHINE:
      return Exception.ecallFromMachine
  }
}

/** xtval holds the instruction, zero-extended. */
function illegal(word: number): SystemOutcome {
  return { kind: "exception", cause: Exception.illegalInstruction, value: BigInt(word >>> 0) }
}
