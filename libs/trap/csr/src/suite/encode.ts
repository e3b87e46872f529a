/** Encodes the SYSTEM instructions that the laws execute. Unprivileged manual, "Zicsr". */
const SYSTEM = 0x73
const FUNCTION = { csrrw: 1, csrrs: 2, csrrc: 3, csrrwi: 5, csrrsi: 6, csrrci: 7 } as const

export type CsrMnemonic = keyof typeof FUNCTION

/** `source` is the number of rs1, or the immediate of the `…i` forms. */
export function csrWord(mnemonic: CsrMnemonic, { rd, csr, source }: { rd: number; csr: number; source: number }): number {
  return ((csr << 20) | (source << 15) | (FUNCTION[mnemonic] << 12) | (rd << 7) | SYSTEM) >>> 0
}

/** Register numbers that the laws use: any that is not x0. */
export const X0 = 0
export const X5 = 5
export const X6 = 6
