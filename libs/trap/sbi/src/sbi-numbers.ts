/** Numbers of the RISC-V SBI specification 2.0: extensions, error codes, hart states. */
export const Extension = {
  legacySetTimer: 0n,
  legacyPutCharacter: 1n,
  legacyGetCharacter: 2n,
  legacyClearInterrupt: 3n,
  legacyShutdown: 8n,
  base: 0x10n,
  time: 0x5449_4d45n,
  interprocessor: 0x73_5049n,
  remoteFence: 0x5246_4e43n,
  hartState: 0x48_534dn,
  systemReset: 0x5352_5354n,
  debugConsole: 0x4442_434en,
} as const

/** As they appear in a0: negative numbers modulo 2^64. */
export const SbiError = {
  success: 0n,
  failed: code(-1),
  notSupported: code(-2),
  invalidParameter: code(-3),
  denied: code(-4),
  invalidAddress: code(-5),
  alreadyAvailable: code(-6),
} as const

function code(value: number): bigint {
  return BigInt.asUintN(64, BigInt(value))
}

/** Hart State Management, table of states; the two "pending" ones never last here. */
export const HartStatus = { started: 0n, stopped: 1n, suspended: 4n } as const
export type HartState = keyof typeof HartStatus

/** Major 2, minor 0. */
export const SPECIFICATION_VERSION = 2n << 24n
/** Not in the specification's list of implementations. */
export const IMPLEMENTATION_ID = 0x4250n
export const IMPLEMENTATION_VERSION = 1n
