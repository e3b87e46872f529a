/** M: multiplication and division. Unprivileged manual, "M standard extension"; the division table for zero and overflow. */
import { signed64, unsigned64, word, zeroExtend } from "./bits.ts"
import { OPCODE, byFunct7 } from "./instruction.ts"
import type { Instruction } from "./instruction.ts"

const MULDIV = 1

function multiply(name: string, opcode: number, funct3: number, compute: (a: bigint, b: bigint) => bigint): Instruction {
  return { name, extension: "M", ...byFunct7(opcode, funct3, MULDIV), format: "R", operation: { kind: "alu", compute } }
}

/** By zero: all ones. The overflow -2^63 / -1 wraps to -2^63 by itself under `unsigned64`. bigint division truncates, as div must. */
const divide = (a: bigint, b: bigint): bigint => (b === 0n ? -1n : a / b)
/** By zero: the dividend. bigint remainder takes the dividend's sign, as rem must. */
const remainder = (a: bigint, b: bigint): bigint => (b === 0n ? a : a % b)
const signedWord = (a: bigint): bigint => BigInt.asIntN(32, a)

export const MULTIPLY: readonly Instruction[] = [
  multiply("mul", OPCODE.OP, 0, (a, b) => unsigned64(a * b)),
  multiply("mulh", OPCODE.OP, 1, (a, b) => unsigned64((signed64(a) * signed64(b)) >> 64n)),
  multiply("mulhsu", OPCODE.OP, 2, (a, b) => unsigned64((signed64(a) * b) >> 64n)),
  multiply("mulhu", OPCODE.OP, 3, (a, b) => (a * b) >> 64n),
  multiply("div", OPCODE.OP, 4, (a, b) => unsigned64(divide(signed64(a), signed64(b)))),
  multiply("divu", OPCODE.OP, 5, (a, b) => unsigned64(divide(a, b))),
  multiply("rem", OPCODE.OP, 6, (a, b) => unsigned64(remainder(signed64(a), signed64(b)))),
  multiply("remu", OPCODE.OP, 7, (a, b) => remainder(a, b)),
  multiply("mulw", OPCODE.OP_32, 0, (a, b) => word(a * b)),
  multiply("divw", OPCODE.OP_32, 4, (a, b) => word(divide(signedWord(a), signedWord(b)))),
  multiply("divuw", OPCODE.OP_32, 5, (a, b) => word(divide(zeroExtend(a, 32), zeroExtend(b, 32)))),
  multiply("remw", OPCODE.OP_32, 6, (a, b) => word(remainder(signedWord(a), signedWord(b)))),
  multiply("remuw", OPCODE.OP_32, 7, (a, b) => word(remainder(zeroExtend(a, 32), zeroExtend(b, 32)))),
]
