/** RV64I and Zifencei. Unprivileged manual, "RV32I base integer instruction set" and "RV64I". */
import { signed64, unsigned64, word, zeroExtend } from "./bits.ts"
import { OPCODE, byFunct3, byFunct6, byFunct7, byOpcode } from "./instruction.ts"
import type { Instruction, Pattern, Width } from "./instruction.ts"
import type { FormatName } from "./format.ts"

const I = "I"

function alu(name: string, pattern: Pattern, format: FormatName, compute: (a: bigint, b: bigint) => bigint): Instruction {
  return { name, extension: I, ...pattern, format, operation: { kind: "alu", compute } }
}

function load(name: string, funct3: number, width: Width, signed: boolean): Instruction {
  return { name, extension: I, ...byFunct3(OPCODE.LOAD, funct3), format: "load", operation: { kind: "load", width, signed } }
}

function store(name: string, funct3: number, width: Width): Instruction {
  return { name, extension: I, ...byFunct3(OPCODE.STORE, funct3), format: "S", operation: { kind: "store", width } }
}

function branch(name: string, funct3: number, taken: (a: bigint, b: bigint) => boolean): Instruction {
  return { name, extension: I, ...byFunct3(OPCODE.BRANCH, funct3), format: "B", operation: { kind: "branch", taken } }
}

const shiftLeft = (a: bigint, b: bigint): bigint => unsigned64(a << (b & 63n))
const shiftRight = (a: bigint, b: bigint): bigint => a >> (b & 63n)
const shiftRightSigned = (a: bigint, b: bigint): bigint => unsigned64(signed64(a) >> (b & 63n))
// The word forms see five bits of the shift amount and the low word of the operand only.
const shiftLeftWord = (a: bigint, b: bigint): bigint => word(a << (b & 31n))
const shiftRightWord = (a: bigint, b: bigint): bigint => word(zeroExtend(a, 32) >> (b & 31n))
const shiftRightSignedWord = (a: bigint, b: bigint): bigint => word(BigInt.asIntN(32, a) >> (b & 31n))
const lessSigned = (a: bigint, b: bigint): boolean => signed64(a) < signed64(b)
const lessUnsigned = (a: bigint, b: bigint): boolean => a < b
const flag = (condition: boolean): bigint => (condition ? 1n : 0n)

const { OP, OP_IMM, OP_32, OP_IMM_32, MISC_MEM } = OPCODE

export const BASE: readonly Instruction[] = [
  { name: "lui", extension: I, ...byOpcode(OPCODE.LUI), format: "U", operation: { kind: "lui" } },
  { name: "auipc", extension: I, ...byOpcode(OPCODE.AUIPC), format: "U", operation: { kind: "auipc" } },
  { name: "jal", extension: I, ...byOpcode(OPCODE.JAL), format: "J", operation: { kind: "jal" } },
  { name: "jalr", extension: I, ...byFunct3(OPCODE.JALR, 0), format: "load", operation: { kind: "jalr" } },

  branch("beq", 0, (a, b) => a === b),
  branch("bne", 1, (a, b) => a !== b),
  branch("blt", 4, lessSigned),
  branch("bge", 5, (a, b) => !lessSigned(a, b)),
  branch("bltu", 6, lessUnsigned),
  branch("bgeu", 7, (a, b) => !lessUnsigned(a, b)),

  load("lb", 0, 1, true),
  load("lh", 1, 2, true),
  load("lw", 2, 4, true),
  load("ld", 3, 8, true),
  load("lbu", 4, 1, false),
  load("lhu", 5, 2, false),
  load("lwu", 6, 4, false),
  store("sb", 0, 1),
  store("sh", 1, 2),
  store("sw", 2, 4),
  store("sd", 3, 8),

  alu("addi", byFunct3(OP_IMM, 0), "I", (a, b) => unsigned64(a + b)),
  alu("slti", byFunct3(OP_IMM, 2), "I", (a, b) => flag(lessSigned(a, b))),
  alu("sltiu", byFunct3(OP_IMM, 3), "I", (a, b) => flag(lessUnsigned(a, b))),
  alu("xori", byFunct3(OP_IMM, 4), "I", (a, b) => a ^ b),
  alu("ori", byFunct3(OP_IMM, 6), "I", (a, b) => a | b),
  alu("andi", byFunct3(OP_IMM, 7), "I", (a, b) => a & b),
  alu("slli", byFunct6(OP_IMM, 1, 0), "shift", shiftLeft),
  alu("srli", byFunct6(OP_IMM, 5, 0), "shift", shiftRight),
  alu("srai", byFunct6(OP_IMM, 5, 0x10), "shift", shiftRightSigned),

  alu("add", byFunct7(OP, 0, 0), "R", (a, b) => unsigned64(a + b)),
  alu("sub", byFunct7(OP, 0, 0x20), "R", (a, b) => unsigned64(a - b)),
  alu("sll", byFunct7(OP, 1, 0), "R", shiftLeft),
  alu("slt", byFunct7(OP, 2, 0), "R", (a, b) => flag(lessSigned(a, b))),
  alu("sltu", byFunct7(OP, 3, 0), "R", (a, b) => flag(lessUnsigned(a, b))),
  alu("xor", byFunct7(OP, 4, 0), "R", (a, b) => a ^ b),
  alu("srl", byFunct7(OP, 5, 0), "R", shiftRight),
  alu("sra", byFunct7(OP, 5, 0x20), "R", shiftRightSigned),
  alu("or", byFunct7(OP, 6, 0), "R", (a, b) => a | b),
  alu("and", byFunct7(OP, 7, 0), "R", (a, b) => a & b),

  alu("addiw", byFunct3(OP_IMM_32, 0), "I", (a, b) => word(a + b)),
  alu("slliw", byFunct7(OP_IMM_32, 1, 0), "shift", shiftLeftWord),
  alu("srliw", byFunct7(OP_IMM_32, 5, 0), "shift", shiftRightWord),
  alu("sraiw", byFunct7(OP_IMM_32, 5, 0x20), "shift", shiftRightSignedWord),
  alu("addw", byFunct7(OP_32, 0, 0), "R", (a, b) => word(a + b)),
  alu("subw", byFunct7(OP_32, 0, 0x20), "R", (a, b) => word(a - b)),
  alu("sllw", byFunct7(OP_32, 1, 0), "R", shiftLeftWord),
  alu("srlw", byFunct7(OP_32, 5, 0), "R", shiftRightWord),
  alu("sraw", byFunct7(OP_32, 5, 0x20), "R", shiftRightSignedWord),

  { name: "fence", extension: I, ...byFunct3(MISC_MEM, 0), format: "fence", operation: { kind: "fence" } },
  { name: "fence.i", extension: "Zifencei", ...byFunct3(MISC_MEM, 1), format: "none", operation: { kind: "fence" } },
]
