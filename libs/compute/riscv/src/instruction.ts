/** The shape of an entry of the instruction table, and how entries are written down. */
import type { Fields, FormatName } from "./format.ts"

export type Extension = "I" | "M" | "A" | "C" | "Zicsr" | "Zifencei" | "Zba" | "Zbb" | "Zbs" | "privileged"

/** What an instruction does, on registers as unsigned 64-bit bigints. The second operand is rs2, or the sign-extended immediate. */
export type Operation =
  | { readonly kind: "alu"; readonly compute: (a: bigint, b: bigint) => bigint }
  | { readonly kind: "load"; readonly width: Width; readonly signed: boolean }
  | { readonly kind: "store"; readonly width: Width }
  | { readonly kind: "branch"; readonly taken: (a: bigint, b: bigint) => boolean }
  | { readonly kind: "jal" }
  | { readonly kind: "jalr" }
  | { readonly kind: "lui" }
  | { readonly kind: "auipc" }
  | { readonly kind: "load-reserved"; readonly width: 4 | 8 }
  | { readonly kind: "store-conditional"; readonly width: 4 | 8 }
  /** `combine` sees both operands sign-extended from `width`. */
  | { readonly kind: "amo"; readonly width: 4 | 8; readonly combine: (memory: bigint, operand: bigint) => bigint }
  | { readonly kind: "fence" }
  /** Leaves the engine: the privileged architecture (trap/csr) says what it does. */
  | { readonly kind: "system" }

/** Bytes. */
export type Width = 1 | 2 | 4 | 8

/** One instruction: `raw` is this one when `(raw & mask) === match`. */
export interface Instruction {
  readonly name: string
  readonly extension: Extension
  readonly match: number
  readonly mask: number
  readonly format: FormatName
  readonly operation: Operation
}

/** One 16-bit form: the 32-bit instruction it stands for, and where it keeps the operands. */
export interface CompressedForm {
  readonly name: string
  readonly match: number
  readonly mask: number
  readonly fields: Fields
  /** Name of the 32-bit instruction that it is. */
  readonly expandsTo: string
  /** Operands that must not be 0: with 0 the encoding is reserved (or belongs to another form). */
  readonly nonzero: readonly ("rd" | "rs1" | "rs2" | "immediate")[]
}

/** Major opcodes. Unprivileged manual, table "RISC-V base opcode map". */
export const OPCODE = {
  LOAD: 0x03,
  MISC_MEM: 0x0f,
  OP_IMM: 0x13,
  AUIPC: 0x17,
  OP_IMM_32: 0x1b,
  STORE: 0x23,
  AMO: 0x2f,
  OP: 0x33,
  LUI: 0x37,
  OP_32: 0x3b,
  BRANCH: 0x63,
  JALR: 0x67,
  JAL: 0x6f,
  SYSTEM: 0x73,
} as const

export interface Pattern {
  readonly match: number
  readonly mask: number
}

/** Fixed by the opcode alone. */
export const byOpcode = (opcode: number): Pattern => ({ match: opcode, mask: 0x7f })

/** Fixed by opcode and funct3. */
export const byFunct3 = (opcode: number, funct3: number): Pattern => ({ match: opcode | (funct3 << 12), mask: 0x707f })

/** Fixed by opcode, funct3 and the seven bits of funct7. */
export const byFunct7 = (opcode: number, funct3: number, funct7: number): Pattern => ({
  match: (opcode | (funct3 << 12) | (funct7 << 25)) >>> 0,
  mask: 0xfe00707f,
})

/** As `byFunct7`, but bit 25 belongs to a six-bit shift amount. */
export const byFunct6 = (opcode: number, funct3: number, funct6: number): Pattern => ({
  match: (opcode | (funct3 << 12) | (funct6 << 26)) >>> 0,
  mask: 0xfc00707f,
})

/** Fixed by opcode, funct3 and the whole upper twelve bits: unary instructions. */
export const byFunct12 = (opcode: number, funct3: number, funct12: number): Pattern => ({
  match: (opcode | (funct3 << 12) | (funct12 << 20)) >>> 0,
  mask: 0xfff0707f,
})
