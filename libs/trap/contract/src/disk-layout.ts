/**
 * How a disk lies in the key-value store: a register (its root), pages of a map, blocks.
 *
 * A block is written once, under a name that is never used again, so replicas cannot disagree about it and a late repeat does no harm. A page
 * of the map says which block each part of the disk is; the root says which pages. Root and pages are read before and written after the
 * blocks that they name, so a disk is at every moment as one of its flushes left it, whoever fails. Copying a root is a snapshot or a clone:
 * blocks older than its `birth` are shared and never removed by the disk. The root has an owner: who opened the disk last. Another's write of
 * the root fails, so a VM that is given up but not dead does no harm (fencing).
 */
import { Type, type Static } from "typebox"
import { Value } from "typebox/value"

/** One block. */
export const CHUNK_BYTES = 16 * 1024
/** Blocks that a page of the map names: 4 MiB of disk. */
export const CHUNKS_PER_PAGE = 256
export const DISK_BYTES_MAX = 8 * 2 ** 30
/** Each opening skips so many block numbers: more than can be under way unacknowledged, so that no number is used twice. */
export const NUMBERS_PER_OPENING = 65_536
/** A block that was never written: zeros. */
export const HOLE = ""

/** Blocks and pages of maps; roots, one register a disk. */
export const BLOCK_BUCKET = "disks"
export const ROOT_BUCKET = "registers"
export const ROOT_PREFIX = "disk/"

const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Name = Type.String({ maxLength: 64 })

export const DiskRoot = Type.Object(
  {
    format: Type.Literal(1),
    bytes: Type.Integer({ minimum: 1, maximum: DISK_BYTES_MAX }),
    uid: Type.String({ pattern: "^[a-z0-9]{6,24}$", description: "begins the names of the blocks that this disk has written" }),
    next: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: "number of the next block; only grows" }),
    birth: Type.Integer({ minimum: 0, description: "own blocks below this number are shared with a snapshot or clone" }),
    owner: Type.Union([Type.String({ maxLength: 128 }), Type.Null()], { description: "machine/vm/life that has it open" }),
    readOnly: Type.Boolean({ description: "a snapshot" }),
    origin: Type.Union([Name, Type.Null()], { description: "what it is a copy of" }),
    writes: Count,
    pages: Type.Array(Type.String({ maxLength: 64 }), { maxItems: DISK_BYTES_MAX / CHUNK_BYTES / CHUNKS_PER_PAGE }),
  },
  { additionalProperties: false },
)
export type DiskRoot = Static<typeof DiskRoot>

export function rootKey(name: string): string {
  return `${ROOT_PREFIX}${name}`
}

export function blockName({ uid }: Pick<DiskRoot, "uid">, number: number): string {
  return `${uid}.${number.toString(36)}`
}

/** Of a block of this disk; null: another disk's. */
export function blockNumber({ uid }: Pick<DiskRoot, "uid">, block: string): number | null {
  return block.startsWith(`${uid}.`) ? Number.parseInt(block.slice(uid.length + 1), 36) : null
}

export function chunksOf({ bytes }: Pick<DiskRoot, "bytes">): number {
  return Math.ceil(bytes / CHUNK_BYTES)
}

export function pagesOf(root: Pick<DiskRoot, "bytes">): number {
  return Math.ceil(chunksOf(root) / CHUNKS_PER_PAGE)
}

export function newRoot({ bytes, uid }: Pick<DiskRoot, "bytes" | "uid">): DiskRoot {
  const pages = new Array<string>(pagesOf({ bytes })).fill(HOLE)
  return { format: 1, bytes, uid, next: 0, birth: 0, owner: null, readOnly: false, origin: null, writes: 0, pages }
}

export function encodeRoot(root: DiskRoot): string {
  return JSON.stringify(root)
}

/** Null: this is no root. */
export function decodeRoot(text: string): DiskRoot | null {
  try {
    const value: unknown = JSON.parse(text)
    return Value.Check(DiskRoot, value) && value.pages.length === pagesOf(value) ? value : null
  } catch {
    return null
  }
}

/** One name a chunk; holes are empty. */
export function encodePage(blocks: readonly string[]): string {
  return blocks.join(",")
}

/** Null: this is no page. */
export function decodePage(text: string): string[] | null {
  const blocks = text.split(",")
  return blocks.length === CHUNKS_PER_PAGE ? blocks : null
}

export function emptyPage(): string[] {
  return new Array<string>(CHUNKS_PER_PAGE).fill(HOLE)
}
