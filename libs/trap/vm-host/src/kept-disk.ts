/**
 * A disk over an image, whose writes lie in the node's own memory and on the node's own disk: they outlive the node's process.
 *
 * Reads are answered at once. A write that must be durable, and a flush, is answered when all before it is on disk.
 */
import { decodeBase64, encodeBase64 } from "@backplane/foundation-base/base64"
import { MemoryDisk } from "@backplane/trap-devices/virtio-block/disk"
import { SECTOR_BYTES, type DiskAnswer, type DiskRequest } from "@backplane/trap-devices/virtio-block/virtio-block"
import type { Durability, LaterDisk } from "@backplane/trap-devices/virtio-block/later-disk"

/** Kept in one piece: 4 KiB. */
export const SECTORS_PER_PIECE = 8

export type KeepPiece = (piece: number, text: string) => void

export class KeptDisk implements LaterDisk {
  readonly #disk: MemoryDisk
  readonly #keep: KeepPiece
  readonly #kept = new Set<number>()
  /** Pieces on their way to the disk, in order; `#gone` were before the first of them. */
  #onTheWay: number[] = []
  #gone = 0
  #waiting: { readonly upTo: number; readonly complete: (answer: DiskAnswer) => void }[] = []

  constructor(image: Uint8Array, keep: KeepPiece) {
    this.#disk = new MemoryDisk(image)
    this.#keep = keep
  }

  get sectors(): number {
    return this.#disk.sectors
  }

  submit(request: DiskRequest, durability: Durability, complete: (answer: DiskAnswer) => void): void {
    switch (request.kind) {
      case "read":
        return complete({ kind: "done", data: this.#disk.read(Number(request.sector), request.bytes) })
      case "write":
        this.#disk.write(Number(request.sector), request.data)
        this.#keepRange(Number(request.sector), request.data.length / SECTOR_BYTES)
        return durability === "at-once" ? this.#whenKept(complete) : complete({ kind: "done" })
      case "flush":
        return this.#whenKept(complete)
    }
  }

  /** As it was kept by an earlier life of the node. */
  restore(piece: number, text: string): void {
    const data = decodeBase64(text)
    const first = piece * SECTORS_PER_PIECE
    const sectors = Math.min(Math.floor(data.length / SECTOR_BYTES), this.sectors - first)
    if (sectors <= 0) return
    this.#kept.add(piece)
    this.#disk.write(first, data.subarray(0, sectors * SECTOR_BYTES))
  }

  /** What a node keeps of a piece, as text. */
  textOf(piece: number): string {
    const first = piece * SECTORS_PER_PIECE
    return encodeBase64(this.#disk.read(first, Math.min(SECTORS_PER_PIECE, this.sectors - first) * SECTOR_BYTES))
  }

  onKept(piece: number): void {
    const at = this.#onTheWay.indexOf(piece)
    if (at < 0) return
    // Kept in order: what was said before is on disk, too.
    this.#onTheWay = this.#onTheWay.slice(at + 1)
    this.#gone += at + 1
    const kept = this.#waiting.filter(({ upTo }) => upTo <= this.#gone)
    this.#waiting = this.#waiting.filter(({ upTo }) => upTo > this.#gone)
    for (const { complete } of kept) complete({ kind: "done" })
  }

  /** Every piece that lies on the node's disk. */
  pieces(): readonly number[] {
    return [...this.#kept]
  }

  sectorsWritten(): number {
    return this.#disk.sectorsWritten()
  }

  #whenKept(complete: (answer: DiskAnswer) => void): void {
    if (this.#onTheWay.length === 0) return complete({ kind: "done" })
    this.#waiting.push({ upTo: this.#gone + this.#onTheWay.length, complete })
  }

  #keepRange(sector: number, sectors: number): void {
    const last = Math.floor((sector + sectors - 1) / SECTORS_PER_PIECE)
    for (let piece = Math.floor(sector / SECTORS_PER_PIECE); piece <= last; piece++) {
      this.#kept.add(piece)
      this.#onTheWay.push(piece)
      this.#keep(piece, this.textOf(piece))
    }
  }
}
