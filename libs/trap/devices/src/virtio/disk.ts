/** What lies behind a block device: sectors of 512 bytes. `MemoryDisk` keeps what was written beside an image that stays as it is. */
import { assert } from "@backplane/foundation-base/assert"

export const SECTOR_BYTES = 512

export interface Disk {
  readonly sectors: number
  /** The range must lie on the disk. */
  read(sector: number, count: number): Uint8Array
  /** Whole sectors; the range must lie on the disk. */
  write(sector: number, data: Uint8Array): void
}

/** Copy on write over an image. */
export class MemoryDisk implements Disk {
  readonly sectors: number
  readonly #image: Uint8Array
  /** Sectors written since. */
  readonly #overlay = new Map<number, Uint8Array>()

  /** A last sector that the image does not fill ends in zeros. */
  constructor(image: Uint8Array) {
    this.#image = image
    this.sectors = Math.ceil(image.length / SECTOR_BYTES)
  }

  read(sector: number, count: number): Uint8Array {
    assert(sector >= 0 && sector + count <= this.sectors, "the sectors are on the disk")
    const data = new Uint8Array(count * SECTOR_BYTES)
    for (let index = 0; index < count; index += 1) {
      const at = (sector + index) * SECTOR_BYTES
      data.set(this.#overlay.get(sector + index) ?? this.#image.subarray(at, at + SECTOR_BYTES), index * SECTOR_BYTES)
    }
    return data
  }

  write(sector: number, data: Uint8Array): void {
    assert(data.length % SECTOR_BYTES === 0, "whole sectors are written")
    assert(sector >= 0 && sector + data.length / SECTOR_BYTES <= this.sectors, "the sectors are on the disk")
    for (let at = 0; at < data.length; at += SECTOR_BYTES) {
      this.#overlay.set(sector + at / SECTOR_BYTES, data.slice(at, at + SECTOR_BYTES))
    }
  }

  /** Image and overlay as one. */
  merged(): Uint8Array {
    return this.read(0, this.sectors)
  }

  sectorsWritten(): number {
    return this.#overlay.size
  }
}
