/**
 * The engine's operations: one number for each thing its interpreter can do in one step, made from the instruction table.
 * A name is the instruction, where needed `LOCAL` or `FAR` (does the jump stay in its page?), and the length in bytes.
 */
import { COMPRESSED } from "@backplane/compute-riscv/table-compressed"
import { INSTRUCTIONS } from "@backplane/compute-riscv/table"
import type { Instruction } from "@backplane/compute-riscv/instruction"

/** `ILLEGAL` and `SYSTEM` leave; the first three never count as instructions. DECODE is 0: an empty record. `BNE_LOOP`: a short way back, maybe of a loop that fills or copies. */
const PSEUDO = ["DECODE", "PAGE_END", "STRADDLE", "ILLEGAL", "SYSTEM", "NOP_4", "NOP_2", "LI_4", "LI_2", "MV_4", "MV_2", "BNE_LOOP_4"]
const JUMPS = ["JAL_LOCAL_4", "JAL_FAR_4", "J_LOCAL_4", "J_FAR_4", "J_LOCAL_2", "J_FAR_2", "JALR_4", "JALR_2", "JR_4", "JR_2"]

const COMPRESSIBLE = new Set(COMPRESSED.map(({ expandsTo }) => expandsTo))

export const identifier = (name: string): string => name.toUpperCase().replaceAll(".", "_")

/** Lengths in which an instruction occurs. */
export function lengthsOf(instruction: Instruction): readonly (2 | 4)[] {
  return COMPRESSIBLE.has(instruction.name) ? [4, 2] : [4]
}

function variants(instruction: Instruction): readonly string[] {
  const name = identifier(instruction.name)
  switch (instruction.operation.kind) {
    case "branch":
      return lengthsOf(instruction).flatMap((length) => [`${name}_LOCAL_${length}`, `${name}_FAR_${length}`])
    case "system":
    case "fence":
    case "jal":
    case "jalr":
    case "lui":
      return [] // among PSEUDO and JUMPS
    default:
      return lengthsOf(instruction).map((length) => `${name}_${length}`)
  }
}

/** In the order of their numbers. */
export const OPERATIONS: readonly string[] = [...PSEUDO, ...JUMPS, ...INSTRUCTIONS.flatMap(variants)]

/** The module `operations` of the engine. */
export function generateOperations(): string {
  return OPERATIONS.map((name, number) => `export const OP_${name}: u32 = ${number}\n`).join("")
}
