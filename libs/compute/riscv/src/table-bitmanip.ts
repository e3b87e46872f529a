/** Zba, Zbb, Zbs. Unprivileged manual, "B extension for bit manipulation". */
import { signExtend, signed64, unsigned64, word, zeroExtend } from "./bits.ts"
import { OPCODE, byFunct12, byFunct6, byFunct7 } from "./instruction.ts"
import type { Extension, Instruction, Pattern } from "./instruction.ts"
import type { FormatName } from "./format.ts"

const { OP, OP_IMM, OP_32, OP_IMM_32 } = OPCODE

function make(
  extension: Extension,
  name: string,
  pattern: Pattern,
  format: FormatName,
  compute: (a: bigint, b: bigint) => bigint,
): Instruction {
  return { name, extension, ...pattern, format, operation: { kind: "alu", compute } }
}

const shiftAdd = (by: bigint) => (a: bigint, b: bigint) => unsigned64((a << by) + b)
const shiftAddUnsignedWord = (by: bigint) => (a: bigint, b: bigint) => unsigned64((zeroExtend(a, 32) << by) + b)

function leadingZeros(a: bigint, bits: number): bigint {
  return BigInt(bits - (a === 0n ? 0 : a.toString(2).length))
}

function trailingZeros(a: bigint, bits: number): bigint {
  for (let bit = 0; bit < bits; bit++) if ((a >> BigInt(bit)) & 1n) return BigInt(bit)
  return BigInt(bits)
}

function population(a: bigint): bigint {
  return BigInt(a.toString(2).replaceAll("0", "").length)
}

const rotateRight = (a: bigint, by: bigint): bigint => unsigned64((a >> (by & 63n)) | (a << (64n - (by & 63n))))
const rotateLeft = (a: bigint, by: bigint): bigint => unsigned64((a << (by & 63n)) | (a >> (64n - (by & 63n))))
function rotateRightWord(a: bigint, by: bigint): bigint {
  const low = zeroExtend(a, 32)
  return word((low >> (by & 31n)) | (low << (32n - (by & 31n))))
}
const rotateLeftWord = (a: bigint, by: bigint): bigint => rotateRightWord(a, 32n - (by & 31n))

function mapBytes(a: bigint, map: (byte: bigint, index: number) => bigint): bigint {
  let result = 0n
  for (let index = 0; index < 8; index++) result |= map((a >> BigInt(8 * index)) & 0xffn, index)
  return result
}
const orCombine = (a: bigint): bigint => mapBytes(a, (byte, index) => (byte === 0n ? 0n : 0xffn << BigInt(8 * index)))
const reverseBytes = (a: bigint): bigint => mapBytes(a, (byte, index) => byte << BigInt(8 * (7 - index)))

const bit = (b: bigint): bigint => 1n << (b & 63n)
const smaller = (a: bigint, b: bigint): bigint => (signed64(a) < signed64(b) ? a : b)
const larger = (a: bigint, b: bigint): bigint => (signed64(a) > signed64(b) ? a : b)

const ZBA: readonly Instruction[] = [
  make("Zba", "add.uw", byFunct7(OP_32, 0, 0x04), "R", shiftAddUnsignedWord(0n)),
  make("Zba", "sh1add", byFunct7(OP, 2, 0x10), "R", shiftAdd(1n)),
  make("Zba", "sh2add", byFunct7(OP, 4, 0x10), "R", shiftAdd(2n)),
  make("Zba", "sh3add", byFunct7(OP, 6, 0x10), "R", shiftAdd(3n)),
  make("Zba", "sh1add.uw", byFunct7(OP_32, 2, 0x10), "R", shiftAddUnsignedWord(1n)),
  make("Zba", "sh2add.uw", byFunct7(OP_32, 4, 0x10), "R", shiftAddUnsignedWord(2n)),
  make("Zba", "sh3add.uw", byFunct7(OP_32, 6, 0x10), "R", shiftAddUnsignedWord(3n)),
  make("Zba", "slli.uw", byFunct6(OP_IMM_32, 1, 0x02), "shift", (a, b) => unsigned64(zeroExtend(a, 32) << (b & 63n))),
]

const ZBB: readonly Instruction[] = [
  make("Zbb", "andn", byFunct7(OP, 7, 0x20), "R", (a, b) => a & unsigned64(~b)),
  make("Zbb", "orn", byFunct7(OP, 6, 0x20), "R", (a, b) => a | unsigned64(~b)),
  make("Zbb", "xnor", byFunct7(OP, 4, 0x20), "R", (a, b) => unsigned64(~(a ^ b))),
  make("Zbb", "clz", byFunct12(OP_IMM, 1, 0x600), "R1", (a) => leadingZeros(a, 64)),
  make("Zbb", "ctz", byFunct12(OP_IMM, 1, 0x601), "R1", (a) => trailingZeros(a, 64)),
  make("Zbb", "cpop", byFunct12(OP_IMM, 1, 0x602), "R1", (a) => population(a)),
  make("Zbb", "clzw", byFunct12(OP_IMM_32, 1, 0x600), "R1", (a) => leadingZeros(zeroExtend(a, 32), 32)),
  make("Zbb", "ctzw", byFunct12(OP_IMM_32, 1, 0x601), "R1", (a) => trailingZeros(zeroExtend(a, 32), 32)),
  make("Zbb", "cpopw", byFunct12(OP_IMM_32, 1, 0x602), "R1", (a) => population(zeroExtend(a, 32))),
  make("Zbb", "sext.b", byFunct12(OP_IMM, 1, 0x604), "R1", (a) => signExtend(a, 8)),
  make("Zbb", "sext.h", byFunct12(OP_IMM, 1, 0x605), "R1", (a) => signExtend(a, 16)),
  make("Zbb", "zext.h", byFunct12(OP_32, 4, 0x080), "R1", (a) => zeroExtend(a, 16)),
  make("Zbb", "min", byFunct7(OP, 4, 0x05), "R", smaller),
  make("Zbb", "minu", byFunct7(OP, 5, 0x05), "R", (a, b) => (a < b ? a : b)),
  make("Zbb", "max", byFunct7(OP, 6, 0x05), "R", larger),
  make("Zbb", "maxu", byFunct7(OP, 7, 0x05), "R", (a, b) => (a > b ? a : b)),
  make("Zbb", "rol", byFunct7(OP, 1, 0x30), "R", rotateLeft),
  make("Zbb", "ror", byFunct7(OP, 5, 0x30), "R", rotateRight),
  make("Zbb", "rori", byFunct6(OP_IMM, 5, 0x18), "shift", rotateRight),
  make("Zbb", "rolw", byFunct7(OP_32, 1, 0x30), "R", rotateLeftWord),
  make("Zbb", "rorw", byFunct7(OP_32, 5, 0x30), "R", rotateRightWord),
  make("Zbb", "roriw", byFunct7(OP_IMM_32, 5, 0x30), "shift", rotateRightWord),
  make("Zbb", "orc.b", byFunct12(OP_IMM, 5, 0x287), "R1", (a) => orCombine(a)),
  make("Zbb", "rev8", byFunct12(OP_IMM, 5, 0x6b8), "R1", (a) => reverseBytes(a)),
]

const ZBS: readonly Instruction[] = [
  make("Zbs", "bclr", byFunct7(OP, 1, 0x24), "R", (a, b) => a & unsigned64(~bit(b))),
  make("Zbs", "bclri", byFunct6(OP_IMM, 1, 0x12), "shift", (a, b) => a & unsigned64(~bit(b))),
  make("Zbs", "bext", byFunct7(OP, 5, 0x24), "R", (a, b) => (a >> (b & 63n)) & 1n),
  make("Zbs", "bexti", byFunct6(OP_IMM, 5, 0x12), "shift", (a, b) => (a >> (b & 63n)) & 1n),
  make("Zbs", "binv", byFunct7(OP, 1, 0x34), "R", (a, b) => a ^ bit(b)),
  make("Zbs", "binvi", byFunct6(OP_IMM, 1, 0x1a), "shift", (a, b) => a ^ bit(b)),
  make("Zbs", "bset", byFunct7(OP, 1, 0x14), "R", (a, b) => a | bit(b)),
  make("Zbs", "bseti", byFunct6(OP_IMM, 1, 0x0a), "shift", (a, b) => a | bit(b)),
]

export const BIT_MANIPULATION: readonly Instruction[] = [...ZBA, ...ZBB, ...ZBS]
