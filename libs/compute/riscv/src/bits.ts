/** 64-bit arithmetic on bigint, for tables and references: slow, obvious, and independent of the engine. */

const MASK_64 = (1n << 64n) - 1n

/** Modulo 2^64: the truth of a register. */
export function unsigned64(value: bigint): bigint {
  return value & MASK_64
}

/** The register read as two's complement. */
export function signed64(value: bigint): bigint {
  return BigInt.asIntN(64, value)
}

/** The low 32 bits, sign-extended to a register: what every `*w` instruction yields. */
export function word(value: bigint): bigint {
  return unsigned64(BigInt.asIntN(32, value))
}

/** The low `bits` bits, sign-extended to a register. */
export function signExtend(value: bigint, bits: number): bigint {
  return unsigned64(BigInt.asIntN(bits, value))
}

/** The low `bits` bits, zero-extended. */
export function zeroExtend(value: bigint, bits: number): bigint {
  return BigInt.asUintN(bits, value)
}
