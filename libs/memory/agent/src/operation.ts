/**
 * Operations that are done at a page's frame store instead of bringing the page: AMOs, loads and stores of one aligned value.
 *
 * Unprivileged manual, "Zaamo". Not here: LR and SC, which need the page, and which register an instruction means.
 */
import { assert } from "@backplane/foundation-base/assert"
import type { PageOperation } from "@backplane/memory-contract/coherence-messages"

/** funct5 of an AMO → what it does. */
const NAMES: ReadonlyMap<number, PageOperation["name"]> = new Map([
  [0b00001, "swap"],
  [0b00000, "add"],
  [0b00100, "xor"],
  [0b01100, "and"],
  [0b01000, "or"],
  [0b10000, "min"],
  [0b10100, "max"],
  [0b11000, "minu"],
  [0b11100, "maxu"],
] as const)
const AMO = 0x2f

/** What an AMO instruction does and with which registers; null for any other instruction, LR and SC too. */
export function amoOf(
  instruction: number,
): { readonly name: PageOperation["name"]; readonly width: 4 | 8; readonly rd: number; readonly rs2: number } | null {
  if ((instruction & 0x7f) !== AMO) return null
  const name = NAMES.get(instruction >>> 27)
  const funct3 = (instruction >>> 12) & 7
  if (name === undefined || (funct3 !== 2 && funct3 !== 3)) return null
  return { name, width: funct3 === 2 ? 4 : 8, rd: (instruction >>> 7) & 31, rs2: (instruction >>> 20) & 31 }
}

/** The AMO that an instruction would do in its page when it left for want of the page; null for anything else. */
export function operationOf(
  { instruction, address, access }: { readonly instruction: number; readonly address: bigint; readonly access: string },
  readRegister: (register: number) => bigint,
): PageOperation | null {
  const amo = access === "store" ? amoOf(instruction) : null
  if (amo === null) return null
  const { name, width, rs2 } = amo
  return { name, width, offset: Number(address & 0xfffn), operand: `0x${readRegister(rs2).toString(16)}` }
}

/** Is it a load-reserved? It will be followed by a store to the same page. */
export function isLoadReserved(instruction: number): boolean {
  return (instruction & 0x7f) === AMO && instruction >>> 27 === 0b00010
}

/** Does it in the bytes of a page; what was there before, sign-extended to 64 bits. */
export function operateOn(bytes: Uint8Array, { name, offset, width, operand }: PageOperation): bigint {
  assert(offset % width === 0, "an operation is aligned")
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const bits = width * 8
  let found = 0n
  for (let index = width - 1; index >= 0; index--) found = (found << 8n) | BigInt(view.getUint8(offset + index))
  let value = BigInt.asUintN(bits, combine(name, { memory: found, operand: BigInt(operand), bits }))
  if (name !== "load") for (let index = 0; index < width; index++, value >>= 8n) view.setUint8(offset + index, Number(value & 0xffn))
  return BigInt.asUintN(64, BigInt.asIntN(bits, found))
}

function combine(
  name: PageOperation["name"],
  { memory, operand, bits }: { readonly memory: bigint; readonly operand: bigint; readonly bits: number },
): bigint {
  const unsigned = BigInt.asUintN(bits, operand)
  const signedLess = BigInt.asIntN(bits, memory) < BigInt.asIntN(bits, operand)
  switch (name) {
    case "load":
      return memory
    case "store":
    case "swap":
      return unsigned
    case "add":
      return memory + unsigned
    case "xor":
      return memory ^ unsigned
    case "and":
      return memory & unsigned
    case "or":
      return memory | unsigned
    case "min":
      return signedLess ? memory : unsigned
    case "max":
      return signedLess ? unsigned : memory
    case "minu":
      return memory < unsigned ? memory : unsigned
    case "maxu":
      return memory < unsigned ? unsigned : memory
  }
}
