/** The module `decoder` of the engine: raw bits → record, as nested tests made from the instruction table. */
import { FORMATS } from "@backplane/compute-riscv/format"
import { INSTRUCTIONS, instructionNamed } from "@backplane/compute-riscv/table"
import { COMPRESSED } from "@backplane/compute-riscv/table-compressed"
import { OPERATIONS, identifier } from "./operations.ts"
import type { Fields, ImmediateField, RegisterField } from "@backplane/compute-riscv/format"
import type { CompressedForm, Instruction } from "@backplane/compute-riscv/instruction"

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`

function registerText(field: RegisterField | undefined): string {
  if (field === undefined) return "0"
  if ("fixed" in field) return String(field.fixed)
  const bits = `((raw >>> ${field.at}) & ${hex((1 << field.width) - 1)})`
  return field.add === 0 ? bits : `(${bits} + ${field.add})`
}

function immediateText(field: ImmediateField | undefined): string {
  if (field === undefined) return "0"
  const value = field.pieces.map(([from, width, to]) => `(((raw >>> ${from}) & ${hex(2 ** width - 1)}) << ${to})`).join(" | ")
  const unused = 32 - field.bits
  return field.signed && unused > 0 ? `(i32((${value}) << ${unused}) >> ${unused})` : `i32(${value})`
}

/** The call that writes the record of this instruction in this length. */
export function placement(instruction: Instruction, fields: Fields, length: 2 | 4): string {
  const rd = registerText(fields.rd)
  const rs1 = registerText(fields.rs1)
  const rs2 = registerText(fields.rs2)
  const immediate = immediateText(fields.immediate)
  const name = `OP_${identifier(instruction.name)}`
  switch (instruction.operation.kind) {
    case "system":
      return "put(record, OP_SYSTEM, 0, 0, 0, 0)"
    case "fence":
      return `put(record, OP_NOP_${length}, 0, 0, 0, 0)`
    case "lui":
      return `putLoadImmediate(record, ${length}, ${rd}, ${immediate})`
    case "jal":
      return `putJump(record, ${length}, ${rd}, ${immediate}, offset)`
    case "jalr":
      return `putJumpRegister(record, ${length}, ${rd}, ${rs1}, ${immediate})`
    case "branch":
      return `putBranch(record, ${name}_LOCAL_${length}, ${name}_FAR_${length}, ${rs1}, ${rs2}, ${immediate}, offset)`
    case "alu":
      if (instruction.name === "addi") return `putAddImmediate(record, ${length}, ${rd}, ${rs1}, ${immediate})`
      if (instruction.name === "add") return `putAdd(record, ${length}, ${rd}, ${rs1}, ${rs2})`
      return `putAlu(record, ${length}, ${name}_${length}, ${rd}, ${rs1}, ${rs2}, ${immediate})`
    case "auipc":
      return `putAlu(record, ${length}, ${name}_${length}, ${rd}, 0, 0, ${immediate})`
    default:
      return `put(record, ${name}_${length}, ${rd}, ${rs1}, ${rs2}, ${immediate})`
  }
}

function fullText(instruction: Instruction): string {
  return `      if ((raw & ${hex(instruction.mask)}) == ${hex(instruction.match)}) return ${placement(instruction, FORMATS[instruction.format], 4)}\n`
}

/** Any encoding of the SYSTEM opcode leaves as such: whoever decodes it says what is illegal. */
function opcodeText(opcode: number): string {
  if (opcode === 0x73) return "    case 28:\n      return put(record, OP_SYSTEM, 0, 0, 0, 0)\n"
  const entries = INSTRUCTIONS.filter(({ match }) => (match & 0x7f) === opcode)
  return `    case ${opcode >>> 2}:\n${entries.map(fullText).join("")}      break\n`
}

function compressedText(form: CompressedForm): string {
  const operandText = {
    rd: registerText(form.fields.rd),
    rs1: registerText(form.fields.rs1),
    rs2: registerText(form.fields.rs2),
    immediate: immediateText(form.fields.immediate),
  }
  const conditions = [`(raw & ${hex(form.mask)}) == ${hex(form.match)}`, ...form.nonzero.map((operand) => `${operandText[operand]} != 0`)]
  return `  if (${conditions.join(" && ")}) return ${placement(instructionNamed(form.expandsTo), form.fields, 2)}\n`
}

export function generateDecoder(): string {
  const opcodes = [...new Set(INSTRUCTIONS.map(({ match }) => match & 0x7f))].sort((a, b) => a - b)
  return `import { ${OPERATIONS.map((name) => `OP_${name}`).join(", ")} } from "./operations"
import { put, putAdd, putAddImmediate, putAlu, putBranch, putJump, putJumpRegister, putLoadImmediate } from "./records"

/** \`offset\`: of the instruction in its page. */
export function decodeInto(record: u32, raw: u32, offset: u32): void {
  if ((raw & 3) != 3) return decodeCompressed(record, raw & 0xffff, offset)
  switch ((raw >>> 2) & 31) {
${opcodes.map(opcodeText).join("")}    default:
      break
  }
  put(record, OP_ILLEGAL, 0, 0, 0, 0)
}

function decodeCompressed(record: u32, raw: u32, offset: u32): void {
${COMPRESSED.map(compressedText).join("")}  put(record, OP_ILLEGAL, 0, 0, 0, 0)
}
`
}
