/** Instruction and operands → raw bits: the inverse of decode.ts, for generated programs and tests. */
import { FORMATS, insertOperands } from "./format.ts"
import { instructionNamed } from "./table.ts"
import type { CompressedForm } from "./instruction.ts"
import type { Operands } from "./format.ts"

/** 32-bit encoding. Operands that do not fit their field are cut to it. */
export function encode(name: string, operands: Partial<Operands> = {}): number {
  const instruction = instructionNamed(name)
  return (instruction.match | (insertOperands(FORMATS[instruction.format], operands) & ~instruction.mask)) >>> 0
}

/** 16-bit encoding of this form. */
export function encodeCompressed(form: CompressedForm, operands: Partial<Operands>): number {
  return form.match | (insertOperands(form.fields, operands) & ~form.mask & 0xffff)
}
