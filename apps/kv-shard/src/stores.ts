/** The backends of a shard, by the name that BACKPLANE_KV_STORE gives. */
import { AppendLogStore } from "@backplane/foundation-runtime/append-log-store"
import type { Store } from "@backplane/foundation-runtime/store"
import { LogStore } from "@backplane/kv-store/log-store"
import { SEGMENT_BYTES, type Backend } from "./config.ts"
import { LmdbStore } from "./lmdb-store.ts"

export function storeOf(backend: Backend, folder: string): Store {
  switch (backend) {
    case "log":
      return new AppendLogStore(folder, (segments) => new LogStore(segments, { segmentBytesMin: SEGMENT_BYTES, encode, decode }))
    case "lmdb":
      return new LmdbStore(folder, encode)
  }
}

/** UTF-8 behind `room` bytes, by the host's encoder. */
export function encode(text: string, room: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(room + Buffer.byteLength(text))
  bytes.write(text, room)
  return bytes
}

/** What `encode` made, by the host's decoder. */
export function decode(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString()
}
