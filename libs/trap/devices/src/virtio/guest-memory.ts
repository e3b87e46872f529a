/** The guest's RAM as a device sees it: physical addresses, checked before use. */
export interface GuestMemory {
  contains(address: bigint, bytes: number): boolean
  /** The range must lie inside RAM. */
  read(address: bigint, bytes: number): Uint8Array
  /** The range must lie inside RAM. */
  write(address: bigint, data: Uint8Array): void
}
