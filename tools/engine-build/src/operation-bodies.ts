/** What each instruction does, as AssemblyScript expressions of the operands \`a\` (rs1) and \`b\` (rs2 or immediate), both i64. */

/** By name of the register form; an immediate form is looked up without its \`i\` (BODY_OF). */
export const EXPRESSIONS: Readonly<Record<string, string>> = {
  add: "a + b",
  sub: "a - b",
  sll: "a << b",
  slt: "i64(a < b)",
  sltu: "i64(u64(a) < u64(b))",
  xor: "a ^ b",
  srl: "i64(u64(a) >> u64(b))",
  sra: "a >> b",
  or: "a | b",
  and: "a & b",
  addw: "i64(i32(a) + i32(b))",
  subw: "i64(i32(a) - i32(b))",
  sllw: "i64(i32(a) << i32(b))",
  srlw: "i64(i32(u32(a) >> u32(b)))",
  sraw: "i64(i32(a) >> i32(b))",

  mul: "a * b",
  mulh: "multiplyHighSigned(a, b)",
  mulhsu: "multiplyHighSignedUnsigned(a, b)",
  mulhu: "i64(multiplyHighUnsigned(u64(a), u64(b)))",
  div: "divideSigned(a, b)",
  divu: "divideUnsigned(a, b)",
  rem: "remainderSigned(a, b)",
  remu: "remainderUnsigned(a, b)",
  mulw: "i64(i32(a) * i32(b))",
  divw: "i64(divideSignedWord(i32(a), i32(b)))",
  divuw: "i64(divideUnsignedWord(i32(a), i32(b)))",
  remw: "i64(remainderSignedWord(i32(a), i32(b)))",
  remuw: "i64(remainderUnsignedWord(i32(a), i32(b)))",

  "add.uw": "i64(u32(a)) + b",
  sh1add: "(a << 1) + b",
  sh2add: "(a << 2) + b",
  sh3add: "(a << 3) + b",
  "sh1add.uw": "(i64(u32(a)) << 1) + b",
  "sh2add.uw": "(i64(u32(a)) << 2) + b",
  "sh3add.uw": "(i64(u32(a)) << 3) + b",
  "slli.uw": "i64(u32(a)) << b",

  andn: "a & ~b",
  orn: "a | ~b",
  xnor: "~(a ^ b)",
  clz: "clz<i64>(a)",
  ctz: "ctz<i64>(a)",
  cpop: "popcnt<i64>(a)",
  clzw: "i64(clz<i32>(i32(a)))",
  ctzw: "i64(ctz<i32>(i32(a)))",
  cpopw: "i64(popcnt<i32>(i32(a)))",
  "sext.b": "i64(i8(a))",
  "sext.h": "i64(i16(a))",
  "zext.h": "i64(u16(a))",
  min: "select<i64>(a, b, a < b)",
  minu: "select<i64>(a, b, u64(a) < u64(b))",
  max: "select<i64>(a, b, a > b)",
  maxu: "select<i64>(a, b, u64(a) > u64(b))",
  rol: "rotl<i64>(a, b)",
  ror: "rotr<i64>(a, b)",
  rolw: "i64(rotl<i32>(i32(a), i32(b)))",
  rorw: "i64(rotr<i32>(i32(a), i32(b)))",
  "orc.b": "i64(orCombine(u64(a)))",
  rev8: "i64(reverseBytes(u64(a)))",

  bclr: "a & ~(i64(1) << b)",
  bext: "(a >> b) & 1",
  binv: "a ^ (i64(1) << b)",
  bset: "a | (i64(1) << b)",
}

/** Names whose immediate form is not the register form plus `i`. */
const IMMEDIATE_FORMS: Readonly<Record<string, string>> = {
  sltiu: "sltu",
  addiw: "addw",
  slliw: "sllw",
  srliw: "srlw",
  sraiw: "sraw",
  roriw: "rorw",
}

export const CONDITIONS: Readonly<Record<string, string>> = {
  beq: "a == b",
  bne: "a != b",
  blt: "a < b",
  bge: "a >= b",
  bltu: "u64(a) < u64(b)",
  bgeu: "u64(a) >= u64(b)",
}

/** \`m\` is what memory held and \`b\` the operand, both sign-extended i64. */
export const COMBINATIONS: Readonly<Record<string, string>> = {
  amoswap: "b",
  amoadd: "m + b",
  amoxor: "m ^ b",
  amoand: "m & b",
  amoor: "m | b",
  amomin: "select<i64>(m, b, m < b)",
  amomax: "select<i64>(m, b, m > b)",
  amominu: "select<i64>(m, b, u64(m) < u64(b))",
  amomaxu: "select<i64>(m, b, u64(m) > u64(b))",
}

/** The expression of an ALU instruction. */
export function expressionOf(name: string): string {
  const expression = EXPRESSIONS[name] ?? EXPRESSIONS[IMMEDIATE_FORMS[name] ?? name.replace(/i$/, "")]
  if (expression === undefined) throw new Error(`operation-bodies.ts has no expression for ${name}`)
  return expression
}
