/**
 * Numbers of exceptions and interrupts. Privileged manual, table of `mcause` values.
 *
 * Not here: which of them a hart may delegate (csr-table.ts) and which comes first (interrupts.ts).
 */
export const Exception = {
  fetchMisaligned: 0,
  fetchAccess: 1,
  illegalInstruction: 2,
  breakpoint: 3,
  loadMisaligned: 4,
  loadAccess: 5,
  storeMisaligned: 6,
  storeAccess: 7,
  ecallFromUser: 8,
  ecallFromSupervisor: 9,
  ecallFromMachine: 11,
  fetchPage: 12,
  loadPage: 13,
  storePage: 15,
  /** Custom use, 24 to 31: of a software TLB. */
  tlbRefillFetch: 24,
  tlbRefillLoad: 25,
  tlbRefillStore: 26,
  tlbModified: 27,
} as const

/** Bit numbers in `mip`, `mie` and `mideleg`; also the cause codes. */
export const Interrupt = {
  supervisorSoftware: 1,
  machineSoftware: 3,
  supervisorTimer: 5,
  machineTimer: 7,
  supervisorExternal: 9,
  machineExternal: 11,
} as const

export type InterruptNumber = (typeof Interrupt)[keyof typeof Interrupt]

/** Top bit of `mcause` and `scause`: set for an interrupt. */
export const CAUSE_INTERRUPT = 1n << 63n

export const SSIP = 1n << 1n
export const MSIP = 1n << 3n
export const STIP = 1n << 5n
export const MTIP = 1n << 7n
export const SEIP = 1n << 9n
export const MEIP = 1n << 11n

export const SUPERVISOR_INTERRUPTS = SSIP | STIP | SEIP
export const MACHINE_INTERRUPTS = MSIP | MTIP | MEIP
