/**
 * Random programs from the instruction table: they end, stay inside their data, and use every operand field fully.
 *
 * Shape: straight-line code with forward branches and jumps. Registers x8 (s0) and x2 (sp) point into the data and are never
 * written; loads, stores and atomics go through them. Works at any address: position-independent.
 */
import { FORMATS } from "./format.ts"
import { encode, encodeCompressed } from "./encode.ts"
import { COMPRESSED } from "./table-compressed.ts"
import { INSTRUCTIONS, instructionNamed } from "./table.ts"
import type { Random } from "@backplane/foundation-base/random"
import type { CompressedForm, Extension, Instruction } from "./instruction.ts"
import type { Fields } from "./format.ts"

/** Offsets reach ±2048 around the pointers: they point to the middle. */
export const DATA_BYTES = 8192
export const DATA_POINTERS: readonly number[] = [8, 2]
/** Registers that a program may write. */
const FREE_REGISTERS: readonly number[] = Array.from({ length: 32 }, (_, register) => register).filter(
  (register) => !DATA_POINTERS.includes(register),
)

export interface ProgramShape {
  readonly extensions: readonly Extension[]
  readonly instructions: number
  /** Names to leave out. */
  readonly except?: readonly string[]
}

/** One thing to place: its bytes once the distance to a later thing is known. */
interface Item {
  readonly length: number
  /** How many items ahead it may jump; 0 if it does not. */
  readonly ahead: number
  readonly bits: (distance: number) => readonly number[]
}

/** Little-endian code bytes. What follows it is entered at its end. */
export function generateProgram(random: Random, shape: ProgramShape): Uint8Array {
  const wide = INSTRUCTIONS.filter(
    (entry) => shape.extensions.includes(entry.extension) && entry.operation.kind !== "system" && !shape.except?.includes(entry.name),
  )
  const narrow = shape.extensions.includes("C")
    ? COMPRESSED.filter((form) => !["c.ebreak", "c.jr", "c.jalr", "c.addi16sp"].includes(form.name))
    : []
  const items = Array.from({ length: shape.instructions }, () => {
    const useNarrow = narrow.length > 0 && (wide.length === 0 || random.chance(0.5))
    return useNarrow ? narrowItem(random, random.pick(narrow)) : wideItem(random, random.pick(wide))
  })
  return place(items)
}

function place(items: readonly Item[]): Uint8Array {
  const starts = [0]
  for (const item of items) starts.push((starts.at(-1) ?? 0) + item.length)
  const bytes: number[] = []
  items.forEach((item, index) => {
    const to = starts[Math.min(index + Math.max(item.ahead, 1), items.length)] ?? 0
    for (const half of item.bits(to - (starts[index] ?? 0))) bytes.push(half & 0xff, half >>> 8)
  })
  return Uint8Array.from(bytes)
}

const halves = (raw: number): readonly number[] => [raw & 0xffff, raw >>> 16]

function wideItem(random: Random, instruction: Instruction): Item {
  const { kind } = instruction.operation
  const rd = random.pick(FREE_REGISTERS)
  if (kind === "jalr") return callItem(random, rd)
  if (kind === "load-reserved") return reservedItem(random, rd, instruction.operation.width)
  const operands = { rd, rs1: random.below(32), rs2: random.below(32), immediate: randomImmediate(random, FORMATS[instruction.format]) }
  if (kind === "branch" || kind === "jal") {
    return {
      length: 4,
      ahead: random.between(1, 8),
      bits: (distance) => halves(encode(instruction.name, { ...operands, immediate: distance })),
    }
  }
  if (kind === "load" || kind === "store" || kind === "amo" || kind === "store-conditional") operands.rs1 = random.pick(DATA_POINTERS)
  const raw = encode(instruction.name, operands)
  return { length: 4, ahead: 0, bits: () => halves(raw) }
}

/** lr and sc as a pair, usually at the same address. A store of the CPU's own between the two may or may not fail the sc, so there is none. */
function reservedItem(random: Random, rd: number, width: 4 | 8): Item {
  const suffix = width === 4 ? "w" : "d"
  const rs1 = random.pick(DATA_POINTERS)
  const lr = encode(`lr.${suffix}`, { rd, rs1 })
  const sc = encode(`sc.${suffix}`, {
    rd: random.pick(FREE_REGISTERS),
    rs1: random.chance(0.8) ? rs1 : random.pick(DATA_POINTERS),
    rs2: random.below(32),
  })
  return { length: 8, ahead: 0, bits: () => [...halves(lr), ...halves(sc)] }
}

/** auipc and jalr through the same register, sometimes with rd = rs1. */
function callItem(random: Random, rd: number): Item {
  const through = random.chance(0.4) && rd !== 0 ? rd : random.pick(FREE_REGISTERS.filter((register) => register !== 0))
  const odd = random.below(2) // bit 0 of the target is dropped
  const bits = (distance: number): readonly number[] => [
    ...halves(encode("auipc", { rd: through, immediate: 0 })),
    ...halves(encode("jalr", { rd, rs1: through, immediate: distance + odd })),
  ]
  return { length: 8, ahead: random.between(1, 8), bits }
}

function narrowItem(random: Random, form: CompressedForm): Item {
  const instruction = instructionNamed(form.expandsTo)
  const { kind } = instruction.operation
  const operands = drawAllowed(random, form)
  if (kind === "branch" || kind === "jal") {
    return { length: 2, ahead: random.between(1, 8), bits: (distance) => [encodeCompressed(form, { ...operands, immediate: distance })] }
  }
  const usesMemory = kind === "load" || kind === "store"
  const raw = encodeCompressed(form, usesMemory ? { ...operands, rs1: 8 } : operands)
  return { length: 2, ahead: 0, bits: () => [raw] }
}

/** Draws until nothing reserved and no data pointer is written: most draws will do. */
function drawAllowed(
  random: Random,
  form: CompressedForm,
): { readonly rd: number; readonly rs1: number; readonly rs2: number; readonly immediate: number } {
  const isMemory = instructionNamed(form.expandsTo).operation.kind !== "alu"
  for (let attempt = 0; attempt < 64; attempt++) {
    const register = random.pick(FREE_REGISTERS)
    const rd = form.fields.rd !== undefined && "at" in form.fields.rd && form.fields.rd.width === 3 ? random.between(9, 15) : register
    const sameRegister = JSON.stringify(form.fields.rd) === JSON.stringify(form.fields.rs1)
    const rs1 = sameRegister ? rd : random.between(9, 15)
    const rs2 =
      form.fields.rs2 !== undefined && "at" in form.fields.rs2 && form.fields.rs2.width === 3 ? random.between(8, 15) : random.below(32)
    const operands = { rd, rs1, rs2, immediate: randomImmediate(random, form.fields) }
    const luiToPointer = form.name === "c.lui" && rd === 2
    if (
      !luiToPointer &&
      (isMemory || form.nonzero.every((name) => operands[name] !== 0)) &&
      !(form.nonzero.includes("rd") && rd === 0) &&
      !(form.nonzero.includes("immediate") && operands.immediate === 0)
    )
      return operands
  }
  return { rd: 9, rs1: 9, rs2: 9, immediate: 0x10 }
}

/** Any value the field can hold, small ones and the ends more often. */
function randomImmediate(random: Random, fields: Fields): number {
  const field = fields.immediate
  if (field === undefined) return 0
  const lowest = Math.min(...field.pieces.map(([, , to]) => to))
  const step = 2 ** lowest
  const raw = random.chance(0.3) ? random.pick([0, 1, -1, 2 ** (field.bits - 1 - lowest) - 1]) : random.uint32()
  const value = (raw * step) % 2 ** field.bits
  return field.signed ? (value << (32 - field.bits)) >> (32 - field.bits) : value < 0 ? value + 2 ** field.bits : value
}

const EDGES: readonly bigint[] = [
  0n,
  1n,
  2n,
  31n,
  32n,
  63n,
  64n,
  0x7fn,
  0x80n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
  2n ** 64n - 2n ** 31n,
  0xff00ff00ff00ff00n,
]

/** A register value: often one of those where arithmetic goes wrong. */
export function randomValue(random: Random): bigint {
  if (random.chance(0.5)) return random.pick(EDGES)
  const value = (BigInt(random.uint32()) << 32n) | BigInt(random.uint32())
  return random.chance(0.3) ? BigInt.asUintN(64, BigInt.asIntN(32, value)) : value
}
