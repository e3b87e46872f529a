/**
 * A disk in memory that can be broken on purpose: the counterpart of the file in the live store. Chance comes in as a seeded Random.
 *
 * Faults: torn write (a crash keeps a part of what was not synced, and may garble its end), lost sync (it says synced and is not), flipped bit,
 * misdirected write (a piece lands on another place of a segment), full disk (an append is refused whole), restore of an old copy.
 */
import type { Random } from "@backplane/foundation-base/random"
import type { DiskOperation } from "./log-store.ts"
import type { Segments } from "./recovery.ts"

interface File {
  bytes: Uint8Array
  synced: number
}

export class BrokenDisk {
  readonly #files = new Map<number, File>()
  /** Removals that a crash before the next sync undoes. */
  #removed = new Map<number, File>()
  #bytesMax = Number.POSITIVE_INFINITY
  /** While it lies, a sync changes nothing. */
  lies = false

  set bytesMax(limit: number) {
    this.#bytesMax = limit
  }

  get bytes(): number {
    return [...this.#files.values()].reduce((sum, file) => sum + file.bytes.length, 0)
  }

  /** Does `operation`; false where the disk is full, and then nothing is done. */
  do(operation: DiskOperation): boolean {
    const file = this.#files.get(operation.segment)
    if (operation.op === "remove") {
      if (file !== undefined) this.#removed.set(operation.segment, file)
      this.#files.delete(operation.segment)
      return true
    }
    if (this.bytes + operation.bytes.length > this.#bytesMax) return false
    const before = file ?? { bytes: new Uint8Array(0), synced: 0 }
    this.#files.set(operation.segment, { bytes: appended(before.bytes, operation.bytes), synced: before.synced })
    return true
  }

  /** How many bytes of each segment there are now: what a sync that starts now will cover. */
  lengths(): ReadonlyMap<number, number> {
    return new Map([...this.#files].map(([segment, file]) => [segment, file.bytes.length]))
  }

  /** A sync that started when the lengths were `covered` is done. */
  sync(covered: ReadonlyMap<number, number>): void {
    if (this.lies) return
    for (const [segment, length] of covered) {
      const file = this.#files.get(segment)
      if (file !== undefined) file.synced = Math.max(file.synced, Math.min(length, file.bytes.length))
    }
    this.#removed.clear()
  }

  /** Power is lost: of what was not synced some prefix stays, its last bytes perhaps garbled. */
  crash(random: Random): void {
    for (const [segment, file] of this.#removed) if (!this.#files.has(segment) && random.chance(0.5)) this.#files.set(segment, file)
    this.#removed = new Map()
    for (const [segment, file] of [...this.#files]) {
      const kept = random.between(file.synced, file.bytes.length)
      const bytes = file.bytes.slice(0, kept)
      for (let at = Math.max(file.synced, kept - 8); at < kept; at++) if (random.chance(0.3)) bytes[at] = random.below(256)
      if (kept === 0) this.#files.delete(segment)
      else this.#files.set(segment, { bytes, synced: Math.min(file.synced, kept) })
    }
  }

  /** One bit of what is on the disk turns over. False where there is nothing. */
  flipBit(random: Random): boolean {
    const segments = [...this.#files.keys()].sort((a, b) => a - b)
    if (segments.length === 0) return false
    const file = this.#files.get(random.pick(segments))
    if (file === undefined || file.bytes.length === 0) return false
    const at = random.below(file.bytes.length)
    const bytes = file.bytes.slice()
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
    file.bytes = bytes
    return true
  }

  /** Up to 64 bytes of a segment lie over other bytes of it. */
  misdirect(random: Random): boolean {
    const file = [...this.#files.values()].find((each) => each.bytes.length > 128)
    if (file === undefined) return false
    const bytes = file.bytes.slice()
    const from = random.below(bytes.length - 64)
    bytes.copyWithin(random.below(bytes.length - 64), from, from + 64)
    file.bytes = bytes
    return true
  }

  /** A copy of what is there now, for `restore`. */
  backup(): Segments {
    return new Map([...this.#files].map(([segment, file]) => [segment, file.bytes.slice()]))
  }

  /** A copy of what a sync has covered: what the hardest crash leaves. */
  synced(): Segments {
    return new Map([...this.#files].map(([segment, { bytes, synced }]) => [segment, bytes.slice(0, synced)]))
  }

  restore(copy: Segments): void {
    this.#files.clear()
    this.#removed.clear()
    for (const [segment, bytes] of copy) this.#files.set(segment, { bytes, synced: bytes.length })
  }

  segments(): Segments {
    return new Map([...this.#files].map(([segment, file]) => [segment, file.bytes]))
  }
}

/** Both behind each other: in the room behind the first where there is some, for a log grows by many small pieces. Nothing of the first changes. */
function appended(first: Uint8Array, second: Uint8Array): Uint8Array {
  const length = first.length + second.length
  const { buffer, byteOffset } = first
  const fits = byteOffset === 0 && length <= buffer.byteLength
  const grown = fits ? new Uint8Array(buffer, 0, length) : new Uint8Array(new ArrayBuffer(2 * length), 0, length)
  if (!fits) grown.set(first)
  grown.set(second, first.length)
  return grown
}
