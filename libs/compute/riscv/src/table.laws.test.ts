/** The instruction table is unambiguous, and decoder, encoder and disassembler agree on it. */
import { describe, expect, it } from "vitest"
import { Random } from "@backplane/foundation-base/random"
import { decode } from "./decode.ts"
import { disassemble } from "./disassemble.ts"
import { encode, encodeCompressed } from "./encode.ts"
import { FORMATS, extractOperands } from "./format.ts"
import { COMPRESSED } from "./table-compressed.ts"
import { INSTRUCTIONS, instructionNamed } from "./table.ts"

describe("the table", () => {
  it("has no raw bits that fit two entries, save the fixed SYSTEM encodings inside no other", () => {
    const overlapping = INSTRUCTIONS.flatMap((one, index) =>
      INSTRUCTIONS.slice(index + 1)
        .filter((other) => ((one.match ^ other.match) & one.mask & other.mask) === 0)
        .map((other) => `${one.name} ${other.name}`),
    )
    expect(overlapping).toEqual([])
  })

  it("fixes no bit outside its mask and takes no operand from a fixed bit", () => {
    for (const { name, match, mask, format } of INSTRUCTIONS) {
      expect(match & ~mask, name).toBe(0)
      const immediate = FORMATS[format].immediate?.pieces ?? []
      const operandBits = immediate.reduce((bits, [from, width]) => bits | (((2 ** width - 1) << from) >>> 0), 0)
      // Five-bit shift amounts sit in the six-bit field with bit 25 fixed to 0.
      if (format !== "shift") expect(operandBits & mask, name).toBe(0)
    }
  })

  it("expands every 16-bit form to an entry", () => {
    for (const form of COMPRESSED) expect(instructionNamed(form.expandsTo).name).toBe(form.expandsTo)
  })
})

describe("decode", () => {
  it("finds what was encoded, with its operands", () => {
    const random = new Random("round trip")
    for (const instruction of INSTRUCTIONS) {
      for (let round = 0; round < 20; round++) {
        const operands = extractOperands(FORMATS[instruction.format], random.uint32() & ~instruction.mask)
        const decoded = decode(encode(instruction.name, operands))
        expect(decoded).toMatchObject({ ...operands, length: 4 })
        expect(decoded?.instruction.name).toBe(instruction.name)
      }
    }
  })

  it("finds every 16-bit form that was encoded", () => {
    for (const form of COMPRESSED) {
      const operands = { rd: 9, rs1: 9, rs2: 10, immediate: form.name === "c.lui" ? 0x5000 : 0x30 }
      const raw = encodeCompressed(form, operands)
      expect(decode(raw), form.name).toMatchObject({ length: 2, ...extractOperands(form.fields, raw) })
      expect(decode(raw)?.instruction.name).toBe(form.expandsTo)
    }
  })

  it("calls exactly these many halfwords legal: counted with binutils 2.40 for rv64imac", () => {
    let legal = 0
    for (let raw = 0; raw < 65536; raw++) if ((raw & 3) !== 3 && decode(raw) !== undefined) legal++
    expect(legal).toBe(LEGAL_HALFWORDS)
  })

  it("leaves F, D and V without a meaning", () => {
    for (const opcode of [0x07, 0x27, 0x43, 0x47, 0x4b, 0x4f, 0x53, 0x57])
      expect(decode(opcode | 0x3000), opcode.toString(16)).toBeUndefined()
    for (const raw of [0x2000, 0xa000, 0x2002, 0xa002]) expect(decode(raw), raw.toString(16)).toBeUndefined()
  })
})

const LEGAL_HALFWORDS = 38551

describe("disassemble", () => {
  it("writes what binutils writes, without aliases", () => {
    const text = (raw: number): string => disassemble(raw, 0x80000000n).text
    expect([0x00a58533, 0xff840413, 0x00013503, 0x00113423, 0xfe0718e3, 0x0000006f, 0x80000537, 0x30529073, 0x1005252f, 0x0ce5a5af, 0x30200073].map(text)).toEqual([
      "add a0, a1, a0", "addi s0, s0, -8", "ld a0, 0(sp)", "sd ra, 8(sp)", "bne a4, zero, 0x7ffffff0", "jal zero, 0x80000000", "lui a0, 0x80000",
      "csrrw zero, mtvec, t0", "lr.w a0, (a0)", "amoswap.w.aq a1, a4, (a1)", "mret",
    ]) // prettier-ignore
    expect(text(0x1141)).toBe("addi sp, sp, -16")
    expect(text(0)).toBe(".half 0x0000")
    expect(text(0xffffffff)).toBe(".word 0xffffffff")
  })
})
