/** A VM's memory as the DMA of its devices sees it: they reach no other, and nothing that the guest has given back. */
import { PAGE_SHIFT } from "./machine-frames.ts"
import { pieces } from "./page-pieces.ts"
import type { GuestMemory } from "@backplane/trap-devices/virtio-mmio/guest-memory"
import type { PhysicalMap } from "./physical-map.ts"

export function deviceMemory(memory: Pick<PhysicalMap, "contains" | "isOut" | "read" | "write">): GuestMemory {
  const isIn = (address: bigint, bytes: number): boolean => {
    if (!memory.contains(address, bytes)) return false
    for (const { at } of pieces(address, bytes)) if (memory.isOut(at >> PAGE_SHIFT)) return false
    return true
  }
  return {
    read: (address, bytes) => (isIn(address, bytes) ? memory.read(address, bytes) : null),
    write: (address, data) => {
      if (!isIn(address, data.length)) return false
      memory.write(address, data)
      return true
    },
  }
}
