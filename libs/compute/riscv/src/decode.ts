/** Raw bits → instruction and operands, by the table. Slow and plain: the engine's own decoder is generated from the same table. */
import { FORMATS, extractOperands } from "./format.ts"
import { COMPRESSED } from "./table-compressed.ts"
import { INSTRUCTIONS, instructionNamed } from "./table.ts"
import type { CompressedForm, Instruction } from "./instruction.ts"
import type { Operands } from "./format.ts"

export interface Decoded extends Operands {
  readonly instruction: Instruction
  /** Bytes: 2 for a form of C. */
  readonly length: 2 | 4
}

/** Bytes of the instruction that starts with this halfword. Longer encodings than 32 bits do not exist here and are illegal as 4. */
export function instructionLength(firstHalfword: number): 2 | 4 {
  return (firstHalfword & 3) === 3 ? 4 : 2
}

/** `undefined`: illegal. For a 16-bit form only the low half of `raw` is looked at. */
export function decode(raw: number): Decoded | undefined {
  if (instructionLength(raw) === 2) return decodeCompressed(raw & 0xffff)
  const instruction = BY_OPCODE.get(raw & 0x7f)?.find((entry) => (raw & entry.mask) >>> 0 === entry.match)
  return instruction === undefined ? undefined : { instruction, length: 4, ...extractOperands(FORMATS[instruction.format], raw) }
}

function decodeCompressed(raw: number): Decoded | undefined {
  const form = COMPRESSED.find((entry) => (raw & entry.mask) === entry.match && operandsAllowed(entry, extractOperands(entry.fields, raw)))
  if (form === undefined) return undefined
  return { instruction: instructionNamed(form.expandsTo), length: 2, ...extractOperands(form.fields, raw) }
}

function operandsAllowed(form: CompressedForm, operands: Operands): boolean {
  return form.nonzero.every((operand) => operands[operand] !== 0)
}

const BY_OPCODE: ReadonlyMap<number, readonly Instruction[]> = new Map(
  [...new Set(INSTRUCTIONS.map(({ match }) => match & 0x7f))].map((opcode) => [
    opcode,
    INSTRUCTIONS.filter(({ match }) => (match & 0x7f) === opcode),
  ]),
)
