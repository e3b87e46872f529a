/** A: LR/SC and AMOs. Unprivileged manual, "A standard extension". The aq and rl bits (26, 25) may be anything. */
import { signed64 } from "./bits.ts"
import { OPCODE } from "./instruction.ts"
import type { Instruction, Operation } from "./instruction.ts"
import type { FormatName } from "./format.ts"

const WIDTHS = [
  { suffix: "w", funct3: 2, width: 4 },
  { suffix: "d", funct3: 3, width: 8 },
] as const

function atomic(name: string, funct5: number, operation: (width: 4 | 8) => Operation): Instruction[] {
  const isLoadReserved = name === "lr"
  const format: FormatName = isLoadReserved ? "LR" : "atomic"
  // lr has no rs2: the field must be 0.
  const mask = isLoadReserved ? 0xf9f0707f : 0xf800707f
  return WIDTHS.map(({ suffix, funct3, width }) => ({
    name: `${name}.${suffix}`,
    extension: "A",
    match: (OPCODE.AMO | (funct3 << 12) | (funct5 << 27)) >>> 0,
    mask,
    format,
    operation: operation(width),
  }))
}

const amo = (name: string, funct5: number, combine: (memory: bigint, operand: bigint) => bigint): Instruction[] =>
  atomic(name, funct5, (width) => ({ kind: "amo", width, combine }))

// Sign extension keeps the order of unsigned words too, so one comparison serves both widths.
const unsigned = (a: bigint): bigint => BigInt.asUintN(64, a)

export const ATOMIC: readonly Instruction[] = [
  ...atomic("lr", 0x02, (width) => ({ kind: "load-reserved", width })),
  ...atomic("sc", 0x03, (width) => ({ kind: "store-conditional", width })),
  ...amo("amoswap", 0x01, (_, operand) => operand),
  ...amo("amoadd", 0x00, (memory, operand) => memory + operand),
  ...amo("amoxor", 0x04, (memory, operand) => memory ^ operand),
  ...amo("amoand", 0x0c, (memory, operand) => memory & operand),
  ...amo("amoor", 0x08, (memory, operand) => memory | operand),
  ...amo("amomin", 0x10, (memory, operand) => (signed64(memory) < signed64(operand) ? memory : operand)),
  ...amo("amomax", 0x14, (memory, operand) => (signed64(memory) > signed64(operand) ? memory : operand)),
  ...amo("amominu", 0x18, (memory, operand) => (unsigned(memory) < unsigned(operand) ? memory : operand)),
  ...amo("amomaxu", 0x1c, (memory, operand) => (unsigned(memory) > unsigned(operand) ? memory : operand)),
]
