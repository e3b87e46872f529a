/**
 * A disk that answers later, behind virtio-blk: its requests leave the machine, and the guest goes on meanwhile.
 *
 * When an acknowledged write must be durable is the driver's choice, as Virtio 1.2, section 5.2.6.2 has it: one that took VIRTIO_BLK_F_FLUSH says
 * `flush` when it matters; for one that did not every write is durable when it is answered.
 */
import { FEATURE_FLUSH, VirtioBlock, type DiskAnswer, type DiskRequest } from "./virtio-block.ts"
import type { GuestMemory } from "../virtio-mmio/guest-memory.ts"

/** `at-flush`: what was answered may be lost until a flush is. `at-once`: it may not. */
export type Durability = "at-flush" | "at-once"

export interface LaterDisk {
  readonly sectors: number
  /** The range lies on the disk. `complete` is called once: at once, or any time later. */
  submit(request: DiskRequest, durability: Durability, complete: (answer: DiskAnswer) => void): void
}

export function laterDiskFunction(disk: LaterDisk, memory: GuestMemory): VirtioBlock {
  let durability: Durability = "at-once"
  const block = new VirtioBlock({
    sectors: BigInt(disk.sectors),
    writable: true,
    identity: "backplane",
    memory,
    negotiated: (features) => (durability = (features & FEATURE_FLUSH) === 0n ? "at-once" : "at-flush"),
    submit: (request) => disk.submit(request, durability, (answer) => block.complete(request.tag, answer)),
  })
  return block
}
