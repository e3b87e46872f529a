/** C: the 16-bit forms, each as the 32-bit instruction it stands for. Unprivileged manual, "C extension", instruction listings. */
import type { Fields, ImmediateField, Piece, RegisterField } from "./format.ts"
import type { CompressedForm } from "./instruction.ts"

const full = (at: number): RegisterField => ({ at, width: 5, add: 0 })
/** The popular registers x8…x15 in three bits. */
const short = (at: number): RegisterField => ({ at, width: 3, add: 8 })
const fixed = (register: number): RegisterField => ({ fixed: register })
const signed = (bits: number, ...pieces: Piece[]): ImmediateField => ({ bits, signed: true, pieces })
const unsigned = (bits: number, ...pieces: Piece[]): ImmediateField => ({ bits, signed: false, pieces })

const ZERO = fixed(0)
const RA = fixed(1)
const SP = fixed(2)

const IMMEDIATE_6 = signed(6, [12, 1, 5], [2, 5, 0])
const SHIFT = unsigned(6, [12, 1, 5], [2, 5, 0])
const OFFSET_WORD = unsigned(7, [10, 3, 3], [6, 1, 2], [5, 1, 6])
const OFFSET_DOUBLE = unsigned(8, [10, 3, 3], [5, 2, 6])
const JUMP = signed(12, [12, 1, 11], [11, 1, 4], [9, 2, 8], [8, 1, 10], [7, 1, 6], [6, 1, 7], [3, 3, 1], [2, 1, 5])
const BRANCH = signed(9, [12, 1, 8], [10, 2, 3], [5, 2, 6], [3, 2, 1], [2, 1, 5])

/** A form whose fixed bits are the quadrant (bits 1:0) and funct3 (bits 15:13), plus `extra`. */
function form(
  name: string,
  place: { readonly quadrant: number; readonly funct3: number; readonly extra?: { readonly match: number; readonly mask: number } },
  meaning: { readonly expandsTo: string; readonly fields: Fields; readonly nonzero?: CompressedForm["nonzero"] },
): CompressedForm {
  const extra = place.extra ?? { match: 0, mask: 0 }
  return {
    name,
    match: place.quadrant | (place.funct3 << 13) | extra.match,
    mask: 0xe003 | extra.mask,
    expandsTo: meaning.expandsTo,
    fields: meaning.fields,
    nonzero: meaning.nonzero ?? [],
  }
}

/** Quadrant 1, funct3 4: two more bits choose, and for register forms bits 12 and 6:5. */
function arithmetic(
  name: string,
  extra: { readonly match: number; readonly mask: number },
  fields: Fields,
  expandsTo: string,
): CompressedForm {
  return form(name, { quadrant: 1, funct3: 4, extra }, { expandsTo, fields: { rd: short(7), rs1: short(7), ...fields } })
}

const registerForm = (name: string, bit12: number, funct2: number): CompressedForm =>
  arithmetic(`c.${name}`, { match: 0xc00 | (bit12 << 12) | (funct2 << 5), mask: 0x1c60 }, { rs2: short(2) }, name)

const QUADRANT_0: readonly CompressedForm[] = [
  form(
    "c.addi4spn",
    { quadrant: 0, funct3: 0 },
    {
      expandsTo: "addi",
      fields: { rd: short(2), rs1: SP, immediate: unsigned(10, [11, 2, 4], [7, 4, 6], [6, 1, 2], [5, 1, 3]) },
      nonzero: ["immediate"],
    },
  ),
  form("c.lw", { quadrant: 0, funct3: 2 }, { expandsTo: "lw", fields: { rd: short(2), rs1: short(7), immediate: OFFSET_WORD } }),
  form("c.ld", { quadrant: 0, funct3: 3 }, { expandsTo: "ld", fields: { rd: short(2), rs1: short(7), immediate: OFFSET_DOUBLE } }),
  form("c.sw", { quadrant: 0, funct3: 6 }, { expandsTo: "sw", fields: { rs1: short(7), rs2: short(2), immediate: OFFSET_WORD } }),
  form("c.sd", { quadrant: 0, funct3: 7 }, { expandsTo: "sd", fields: { rs1: short(7), rs2: short(2), immediate: OFFSET_DOUBLE } }),
]

const QUADRANT_1: readonly CompressedForm[] = [
  form("c.addi", { quadrant: 1, funct3: 0 }, { expandsTo: "addi", fields: { rd: full(7), rs1: full(7), immediate: IMMEDIATE_6 } }),
  form(
    "c.addiw",
    { quadrant: 1, funct3: 1 },
    {
      expandsTo: "addiw",
      fields: { rd: full(7), rs1: full(7), immediate: IMMEDIATE_6 },
      nonzero: ["rd"],
    },
  ),
  form("c.li", { quadrant: 1, funct3: 2 }, { expandsTo: "addi", fields: { rd: full(7), rs1: ZERO, immediate: IMMEDIATE_6 } }),
  // Before c.lui, whose rd may not be sp.
  form(
    "c.addi16sp",
    { quadrant: 1, funct3: 3, extra: { match: 2 << 7, mask: 0xf80 } },
    {
      expandsTo: "addi",
      fields: { rd: SP, rs1: SP, immediate: signed(10, [12, 1, 9], [6, 1, 4], [5, 1, 6], [3, 2, 7], [2, 1, 5]) },
      nonzero: ["immediate"],
    },
  ),
  form(
    "c.lui",
    { quadrant: 1, funct3: 3 },
    {
      expandsTo: "lui",
      fields: { rd: full(7), immediate: signed(18, [12, 1, 17], [2, 5, 12]) },
      nonzero: ["immediate"],
    },
  ),
  arithmetic("c.srli", { match: 0x000, mask: 0xc00 }, { immediate: SHIFT }, "srli"),
  arithmetic("c.srai", { match: 0x400, mask: 0xc00 }, { immediate: SHIFT }, "srai"),
  arithmetic("c.andi", { match: 0x800, mask: 0xc00 }, { immediate: IMMEDIATE_6 }, "andi"),
  registerForm("sub", 0, 0),
  registerForm("xor", 0, 1),
  registerForm("or", 0, 2),
  registerForm("and", 0, 3),
  registerForm("subw", 1, 0),
  registerForm("addw", 1, 1),
  form("c.j", { quadrant: 1, funct3: 5 }, { expandsTo: "jal", fields: { rd: ZERO, immediate: JUMP } }),
  form("c.beqz", { quadrant: 1, funct3: 6 }, { expandsTo: "beq", fields: { rs1: short(7), rs2: ZERO, immediate: BRANCH } }),
  form("c.bnez", { quadrant: 1, funct3: 7 }, { expandsTo: "bne", fields: { rs1: short(7), rs2: ZERO, immediate: BRANCH } }),
]

/** Quadrant 2, funct3 4: bit 12 and rs2 choose. */
const jumpOrMove = (match: number, mask: number): { readonly match: number; readonly mask: number } => ({ match, mask: 0x1000 | mask })

const QUADRANT_2: readonly CompressedForm[] = [
  form("c.slli", { quadrant: 2, funct3: 0 }, { expandsTo: "slli", fields: { rd: full(7), rs1: full(7), immediate: SHIFT } }),
  form(
    "c.lwsp",
    { quadrant: 2, funct3: 2 },
    {
      expandsTo: "lw",
      fields: { rd: full(7), rs1: SP, immediate: unsigned(8, [12, 1, 5], [4, 3, 2], [2, 2, 6]) },
      nonzero: ["rd"],
    },
  ),
  form(
    "c.ldsp",
    { quadrant: 2, funct3: 3 },
    {
      expandsTo: "ld",
      fields: { rd: full(7), rs1: SP, immediate: unsigned(9, [12, 1, 5], [5, 2, 3], [2, 3, 6]) },
      nonzero: ["rd"],
    },
  ),
  form(
    "c.jr",
    { quadrant: 2, funct3: 4, extra: jumpOrMove(0, 0x7c) },
    { expandsTo: "jalr", fields: { rd: ZERO, rs1: full(7) }, nonzero: ["rs1"] },
  ),
  form(
    "c.mv",
    { quadrant: 2, funct3: 4, extra: jumpOrMove(0, 0) },
    { expandsTo: "add", fields: { rd: full(7), rs1: ZERO, rs2: full(2) }, nonzero: ["rs2"] },
  ),
  form("c.ebreak", { quadrant: 2, funct3: 4, extra: jumpOrMove(0x1000, 0xffc) }, { expandsTo: "ebreak", fields: {} }),
  form(
    "c.jalr",
    { quadrant: 2, funct3: 4, extra: jumpOrMove(0x1000, 0x7c) },
    { expandsTo: "jalr", fields: { rd: RA, rs1: full(7) }, nonzero: ["rs1"] },
  ),
  form(
    "c.add",
    { quadrant: 2, funct3: 4, extra: jumpOrMove(0x1000, 0) },
    {
      expandsTo: "add",
      fields: { rd: full(7), rs1: full(7), rs2: full(2) },
      nonzero: ["rs2"],
    },
  ),
  form(
    "c.swsp",
    { quadrant: 2, funct3: 6 },
    { expandsTo: "sw", fields: { rs1: SP, rs2: full(2), immediate: unsigned(8, [9, 4, 2], [7, 2, 6]) } },
  ),
  form(
    "c.sdsp",
    { quadrant: 2, funct3: 7 },
    { expandsTo: "sd", fields: { rs1: SP, rs2: full(2), immediate: unsigned(9, [10, 3, 3], [7, 3, 6]) } },
  ),
]

/** In order: the first that fits, is it. */
export const COMPRESSED: readonly CompressedForm[] = [...QUADRANT_0, ...QUADRANT_1, ...QUADRANT_2]
