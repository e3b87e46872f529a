/** Raw bits → assembler text, without pseudo-instructions: `addi a0, a1, -4`, `ld a0, 8(sp)`, `beq a0, zero, 0x80000010`. */
import { decode } from "./decode.ts"
import { REGISTER_NAMES, csrName } from "./register-names.ts"
import type { Decoded } from "./decode.ts"
import type { FormatName } from "./format.ts"

export interface Disassembled {
  readonly text: string
  readonly length: 2 | 4
}

/** `pc` is where it lies: jumps and branches show their target. What is no instruction shows as data. */
export function disassemble(raw: number, pc: bigint): Disassembled {
  const decoded = decode(raw)
  if (decoded !== undefined) return { text: instructionText(decoded, raw, pc), length: decoded.length }
  if ((raw & 3) === 3) return { text: `.word 0x${raw.toString(16).padStart(8, "0")}`, length: 4 }
  return { text: `.half 0x${(raw & 0xffff).toString(16).padStart(4, "0")}`, length: 2 }
}

function instructionText(decoded: Decoded, raw: number, pc: bigint): string {
  const { instruction } = decoded
  const operands = OPERAND_TEXT[instruction.format](decoded, pc)
  const ordering = instruction.extension === "A" ? (ORDERING[(raw >>> 25) & 3] ?? "") : ""
  return `${instruction.name}${ordering}${operands === "" ? "" : ` ${operands}`}`
}

/** rl is bit 25, aq bit 26. */
const ORDERING = ["", ".rl", ".aq", ".aqrl"]

const name = (register: number): string => REGISTER_NAMES[register] ?? "?"
const target = (decoded: Decoded, pc: bigint): string => `0x${BigInt.asUintN(64, pc + BigInt(decoded.immediate)).toString(16)}`

const OPERAND_TEXT: Readonly<Record<FormatName, (decoded: Decoded, pc: bigint) => string>> = {
  R: (d) => `${name(d.rd)}, ${name(d.rs1)}, ${name(d.rs2)}`,
  R1: (d) => `${name(d.rd)}, ${name(d.rs1)}`,
  I: (d) => `${name(d.rd)}, ${name(d.rs1)}, ${d.immediate}`,
  shift: (d) => `${name(d.rd)}, ${name(d.rs1)}, ${d.immediate}`,
  load: (d) => `${name(d.rd)}, ${d.immediate}(${name(d.rs1)})`,
  S: (d) => `${name(d.rs2)}, ${d.immediate}(${name(d.rs1)})`,
  B: (d, pc) => `${name(d.rs1)}, ${name(d.rs2)}, ${target(d, pc)}`,
  U: (d) => `${name(d.rd)}, 0x${((d.immediate >>> 12) & 0xfffff).toString(16)}`,
  J: (d, pc) => `${name(d.rd)}, ${target(d, pc)}`,
  atomic: (d) => `${name(d.rd)}, ${name(d.rs2)}, (${name(d.rs1)})`,
  LR: (d) => `${name(d.rd)}, (${name(d.rs1)})`,
  fence: () => "",
  none: () => "",
  csr: (d) => `${name(d.rd)}, ${csrName(d.immediate)}, ${name(d.rs1)}`,
  csri: (d) => `${name(d.rd)}, ${csrName(d.immediate)}, ${d.rs1}`,
  sfence: (d) => `${name(d.rs1)}, ${name(d.rs2)}`,
}
