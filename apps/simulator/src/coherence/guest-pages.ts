/** Pages of a guest's RAM by number, and their addresses. */
import { PAGE_BYTES, RAM_BASE, type Engine } from "@backplane/compute-contract/engine"
import type { GuestMemory } from "@backplane/trap-devices/virtio-mmio/guest-memory"
import type { SbiEffect } from "@backplane/trap-sbi/sbi-types"

export function addressOf(page: number): bigint {
  return RAM_BASE + BigInt(page * PAGE_BYTES)
}

export function pageOf(address: bigint): number {
  return Number((address - RAM_BASE) >> 12n)
}

/** Pages of the guest that an effect reads or writes. */
export function pagesOf(effect: SbiEffect): readonly number[] {
  if (effect.kind !== "console-write" && effect.kind !== "write-memory") return []
  const bytes = effect.kind === "console-write" ? effect.bytes : effect.data.length
  if (bytes === 0) return []
  const first = pageOf(effect.address)
  return Array.from({ length: pageOf(effect.address + BigInt(bytes - 1)) - first + 1 }, (_, index) => first + index)
}

/** The guest's memory for its devices. Whoever uses it has the pages. */
export function guestMemory(engine: Engine): GuestMemory {
  return {
    read: (address, bytes) => (engine.isMemory(address, bytes) ? engine.readMemory(address, bytes) : null),
    write: (address, data) => {
      if (!engine.isMemory(address, data.length)) return false
      engine.writeMemory(address, data)
      return true
    },
  }
}
