/** The backends of a shard, by the name that BACKPLANE_KV_STORE gives. */
import { AppendLogStore } from "@backplane/foundation-runtime/append-log-store"
import type { Store } from "@backplane/foundation-runtime/store"
import { LogStore } from "@backplane/kv-store/log-store"
import { SEGMENT_BYTES, type Backend } from "./config.ts"

/** What makes a store in a folder. LMDB is loaded by those who use it: a shard that is killed is waited for, and what it loads is most of its start. */
export async function storesOf(backend: Backend): Promise<(folder: string) => Store> {
  switch (backend) {
    case "log":
      return (folder) =>
        new AppendLogStore(folder, (segments) => new LogStore(segments, { segmentBytesMin: SEGMENT_BYTES, encode, decode }))
    case "lmdb": {
      const { LmdbStore } = await import("./lmdb-store.ts")
      return (folder) => new LmdbStore(folder, encode)
    }
  }
}

/** Short texts are written one behind the other in pieces of this size: a buffer for each costs more than writing it, and neighbours are one write to the disk. */
const CHUNK_BYTES = 65_536
const SHORT_BYTES = CHUNK_BYTES / 8
/** A unit of UTF-16 takes so many bytes at most. */
const UNIT_BYTES_MAX = 3

let chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
let used = 0

/** UTF-8 behind `room` bytes, by the host's encoder. */
export function encode(text: string, room: number): Uint8Array {
  const most = room + text.length * UNIT_BYTES_MAX
  if (most > SHORT_BYTES) {
    const bytes = Buffer.allocUnsafe(room + Buffer.byteLength(text))
    bytes.write(text, room)
    return bytes
  }
  if (used + most > CHUNK_BYTES) {
    chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
    used = 0
  }
  const start = used
  used += room + chunk.write(text, start + room)
  return chunk.subarray(start, used)
}

/** What `encode` made, by the host's decoder. */
export function decode(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString()
}
