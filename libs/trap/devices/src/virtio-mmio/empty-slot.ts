/**
 * A virtio-mmio slot with no device behind it: shows what it is and device number 0, which tells a driver to go away. Has no state.
 */
import type { Device, Width } from "../device.ts"
import { MAGIC, Register, VENDOR, VERSION } from "./virtio-registers.ts"

export const EMPTY_SLOT: Device = {
  load(offset: number, width: Width): bigint {
    if (width !== 4) return 0n
    switch (offset) {
      case Register.magic:
        return BigInt(MAGIC)
      case Register.version:
        return BigInt(VERSION)
      case Register.vendor:
        return BigInt(VENDOR)
      default:
        return 0n
    }
  },
  store(): void {},
}
