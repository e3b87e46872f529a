/** Words of instructions, for guests that are drawn at random. Unprivileged manual, "RV32I base instruction formats". */

export const immediate = (
  opcode: number,
  { rd, f3, rs1, imm }: { readonly rd: number; readonly f3: number; readonly rs1: number; readonly imm: number },
): number => ((imm & 0xfff) << 20) | (rs1 << 15) | (f3 << 12) | (rd << 7) | opcode
