/**
 * A disk that answers at once, behind virtio-blk: sectors in memory, copy on write over an image that stays as it is.
 *
 * Not here: disks that answer later (a file service, another host): they use `VirtioBlock` itself.
 */
import { assert } from "@backplane/foundation-base/assert"
import { SECTOR_BYTES, VirtioBlock, type DiskAnswer, type DiskRequest } from "./virtio-block.ts"
import type { GuestMemory } from "../virtio-mmio/guest-memory.ts"

export interface Disk {
  readonly sectors: number
  /** The range must lie on the disk. */
  read(sector: number, bytes: number): Uint8Array
  /** Whole sectors; the range must lie on the disk. */
  write(sector: number, data: Uint8Array): void
}

/** Copy on write over an image. A last sector that the image does not fill ends in zeros. */
export class MemoryDisk implements Disk {
  readonly sectors: number
  readonly #image: Uint8Array
  /** Sectors written since. */
  readonly #overlay = new Map<number, Uint8Array>()

  constructor(image: Uint8Array) {
    this.#image = image
    this.sectors = Math.ceil(image.length / SECTOR_BYTES)
  }

  read(sector: number, bytes: number): Uint8Array {
    const count = bytes / SECTOR_BYTES
    assert(Number.isInteger(count) && sector >= 0 && sector + count <= this.sectors, "whole sectors of the disk are read")
    const data = new Uint8Array(bytes)
    for (let index = 0; index < count; index += 1) {
      const at = (sector + index) * SECTOR_BYTES
      data.set(this.#overlay.get(sector + index) ?? this.#image.subarray(at, at + SECTOR_BYTES), index * SECTOR_BYTES)
    }
    return data
  }

  write(sector: number, data: Uint8Array): void {
    const count = data.length / SECTOR_BYTES
    assert(Number.isInteger(count) && sector >= 0 && sector + count <= this.sectors, "whole sectors of the disk are written")
    for (let index = 0; index < count; index += 1) {
      this.#overlay.set(sector + index, data.slice(index * SECTOR_BYTES, (index + 1) * SECTOR_BYTES))
    }
  }

  /** Image and overlay as one. */
  merged(): Uint8Array {
    return this.read(0, this.sectors * SECTOR_BYTES)
  }

  sectorsWritten(): number {
    return this.#overlay.size
  }
}

/** The disk as a virtio function: every request is answered before its notification retires. */
export function diskFunction(disk: Disk, memory: GuestMemory): VirtioBlock {
  const block = new VirtioBlock({
    sectors: BigInt(disk.sectors),
    writable: true,
    identity: "backplane",
    memory,
    submit: (request) => block.complete(request.tag, answer(disk, request)),
  })
  return block
}

function answer(disk: Disk, request: DiskRequest): DiskAnswer {
  switch (request.kind) {
    case "read":
      return { kind: "done", data: disk.read(Number(request.sector), request.bytes) }
    case "write":
      disk.write(Number(request.sector), request.data)
      return { kind: "done" }
    case "flush":
      return { kind: "done" }
  }
}
