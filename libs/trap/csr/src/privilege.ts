/**
 * The three privilege levels of a vCPU, as virtual state: physically all guest code runs at user level.
 *
 * Specified in the privileged manual, section 1.2 (privilege levels). The hypervisor extension is absent, so level 2 is reserved.
 */
export type Privilege = 0 | 1 | 3

export const USER = 0
export const SUPERVISOR = 1
export const MACHINE = 3

/** Reads a two-bit privilege field; the reserved level 2 can not be stored (see `legalPrivilege` in status.ts), so it never comes out. */
export function privilegeFrom(bits: bigint): Privilege {
  const low = bits & 3n
  return low === 3n ? MACHINE : low === 1n ? SUPERVISOR : USER
}
