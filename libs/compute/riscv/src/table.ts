/** The one instruction table: decoder, disassembler, reference interpreter, program generator and the engine's decoder are made from it. */
import { defined } from "@backplane/foundation-base/assert"
import { ATOMIC } from "./table-atomic.ts"
import { BASE } from "./table-base.ts"
import { BIT_MANIPULATION } from "./table-bitmanip.ts"
import { MULTIPLY } from "./table-multiply.ts"
import { SYSTEM_INSTRUCTIONS } from "./table-system.ts"
import type { Instruction } from "./instruction.ts"

/** No two of them fit the same raw bits (a law in table.laws.test.ts), so the order means nothing. */
export const INSTRUCTIONS: readonly Instruction[] = [...BASE, ...MULTIPLY, ...ATOMIC, ...BIT_MANIPULATION, ...SYSTEM_INSTRUCTIONS]

const BY_NAME: ReadonlyMap<string, Instruction> = new Map(INSTRUCTIONS.map((instruction) => [instruction.name, instruction]))

/** The entry of a known name. */
export function instructionNamed(name: string): Instruction {
  return defined(BY_NAME.get(name), `an instruction is named ${name}`)
}
