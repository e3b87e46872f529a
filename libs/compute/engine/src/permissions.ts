/** Permissions as the bits of layout.ts. */
import { PROTECTION_EXECUTE, PROTECTION_LOCKED, PROTECTION_READ, PROTECTION_WRITE } from "./layout.ts"

export function permissionBits(of: {
  readonly read: boolean
  readonly write: boolean
  readonly execute: boolean
  readonly locked: boolean
}): number {
  return (
    (of.read ? PROTECTION_READ : 0) |
    (of.write ? PROTECTION_WRITE : 0) |
    (of.execute ? PROTECTION_EXECUTE : 0) |
    (of.locked ? PROTECTION_LOCKED : 0)
  )
}
