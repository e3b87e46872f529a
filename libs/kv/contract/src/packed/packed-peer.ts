/** Packed messages among replicas (packed-messages.ts): what a write or a read says to its holders, and what they answer. */
import { NotPacked, type PackReader, type PackWriter } from "@backplane/foundation-base/packed-bytes"
import { BATCH_ITEMS_MAX } from "../limits.ts"
import type { KvPeer, PeerItem, PeerItemOf } from "../peer-items.ts"
import {
  checked,
  readBucket,
  readCount,
  readDots,
  readHash,
  readKey,
  readState,
  readTrace,
  writeDots,
  writeState,
  type AllFields,
} from "./packed-parts.ts"

const REPLICATE = 1
const REPLICATED = 2
const FETCH = 3
const FETCHED = 4
const REASONS: readonly PeerItemOf<"replicate">["reason"][] = ["write", "read-repair", "write-repair", "hint", "anti-entropy"]
const ID_LENGTH_MAX = 96
const ACTOR_LENGTH_MAX = 64

true satisfies AllFields<KvPeer, "kind" | "epoch" | "version" | "items">
true satisfies AllFields<PeerItemOf<"replicate">, "type" | "id" | "bucket" | "key" | "state" | "reason" | "holdFor" | "trace" | "weak">
true satisfies AllFields<PeerItemOf<"replicated">, "type" | "id" | "ok" | "held" | "refused">
true satisfies AllFields<PeerItemOf<"fetch">, "type" | "id" | "bucket" | "key" | "hash">
true satisfies AllFields<PeerItemOf<"fetched">, "type" | "id" | "state" | "unsure" | "trace" | "weak" | "collected">

/** False where an item has no packed form. */
export function writePeer(writer: PackWriter, { epoch, version, items }: KvPeer): boolean {
  writer.whole(epoch)
  writer.whole(version ?? 0)
  writer.whole(items.length)
  for (const item of items) if (!writeItem(writer, item)) return false
  return true
}

export function readPeer(reader: PackReader): KvPeer {
  const epoch = reader.whole()
  const version = reader.whole()
  const items: PeerItem[] = []
  const count = readCount(reader, "/items", BATCH_ITEMS_MAX)
  if (count === 0) throw new NotPacked("/items", "must have an entry")
  for (let left = count; left > 0; left--) items.push(readItem(reader))
  return version === 0 ? { kind: "KvPeer", epoch, items } : { kind: "KvPeer", epoch, version, items }
}

function writeItem(writer: PackWriter, item: PeerItem): boolean {
  switch (item.type) {
    case "replicate":
      return writeReplicate(writer, item)
    case "replicated":
      writer.byte(REPLICATED)
      writer.text(item.id)
      // 1 ok, 2 held is told, 4 and what it is, 8 versions that were refused.
      writer.byte((item.ok ? 1 : 0) | (item.held === undefined ? 0 : item.held ? 6 : 2) | (item.refused === undefined ? 0 : 8))
      if (item.refused !== undefined) writeDots(writer, item.refused)
      return true
    case "fetch":
      writer.byte(FETCH)
      writer.text(item.id)
      writer.name(item.bucket)
      writer.text(item.key)
      writer.byte(item.hash === undefined ? 0 : 1)
      if (item.hash !== undefined) writer.text(item.hash)
      return true
    case "fetched":
      return writeFetched(writer, item)
    default:
      return false
  }
}

function readItem(reader: PackReader): PeerItem {
  switch (reader.byte()) {
    case REPLICATE:
      return readReplicate(reader)
    case REPLICATED:
      return readReplicated(reader)
    case FETCH:
      return readFetch(reader)
    case FETCHED:
      return readFetched(reader)
    default:
      throw new NotPacked("/items/type", "there is no such item")
  }
}

function writeReplicate(writer: PackWriter, { id, bucket, key, state, reason, holdFor, trace, weak }: PeerItemOf<"replicate">): boolean {
  writer.byte(REPLICATE)
  writer.text(id)
  writer.name(bucket)
  writer.text(key)
  // The reason, 8 for whom, 16 trace, 32 weak is told, 64 and what it is.
  const told = weak === undefined ? 0 : weak ? 96 : 32
  writer.byte(REASONS.indexOf(reason) | (holdFor === undefined ? 0 : 8) | (trace === undefined ? 0 : 16) | told)
  if (holdFor !== undefined) writer.text(holdFor)
  if (trace !== undefined) writer.text(trace)
  return writeState(writer, state)
}

function readReplicate(reader: PackReader): PeerItemOf<"replicate"> {
  const id = readId(reader)
  const bucket = readBucket(reader)
  const key = readKey(reader)
  const flags = reader.byte()
  const reason = REASONS[flags & 7]
  if (reason === undefined) throw new NotPacked("/items/reason", "there is no such reason")
  const holdFor = (flags & 8) === 0 ? undefined : checked(reader.text(), "/items/holdFor", { most: ACTOR_LENGTH_MAX })
  const trace = (flags & 16) === 0 ? undefined : readTrace(reader)
  const item: PeerItemOf<"replicate"> = { type: "replicate", id, bucket, key, state: readState(reader), reason }
  if (holdFor !== undefined) item.holdFor = holdFor
  if ((flags & 32) !== 0) item.weak = (flags & 64) !== 0
  if (trace !== undefined) item.trace = trace
  return item
}

function readReplicated(reader: PackReader): PeerItemOf<"replicated"> {
  const id = readId(reader)
  const flags = reader.byte()
  const ok = (flags & 1) !== 0
  const item: PeerItemOf<"replicated"> =
    (flags & 2) === 0 ? { type: "replicated", id, ok } : { type: "replicated", id, ok, held: (flags & 4) !== 0 }
  if ((flags & 8) !== 0) item.refused = readDots(reader, "/items/refused")
  return item
}

function readFetch(reader: PackReader): PeerItemOf<"fetch"> {
  const id = readId(reader)
  const bucket = readBucket(reader)
  const key = readKey(reader)
  return reader.byte() === 0 ? { type: "fetch", id, bucket, key } : { type: "fetch", id, bucket, key, hash: readHash(reader) }
}

function writeFetched(writer: PackWriter, { id, state, unsure, trace, weak, collected }: PeerItemOf<"fetched">): boolean {
  writer.byte(FETCHED)
  writer.text(id)
  // 1 unsure, 2 a state, 4 trace, 8 weak is told, 16 and what it is, 32 up to when it collected.
  const told = (weak === undefined ? 0 : weak ? 24 : 8) | (collected === undefined ? 0 : 32)
  writer.byte((unsure ? 1 : 0) | (state === undefined ? 0 : 2) | (trace === undefined ? 0 : 4) | told)
  if (trace !== undefined) writer.text(trace)
  if (collected !== undefined) writer.whole(collected)
  return state === undefined || writeState(writer, state)
}

function readFetched(reader: PackReader): PeerItemOf<"fetched"> {
  const id = readId(reader)
  const flags = reader.byte()
  const unsure = (flags & 1) !== 0
  const trace = (flags & 4) === 0 ? undefined : readTrace(reader)
  const collected = (flags & 32) === 0 ? undefined : reader.whole()
  const item: PeerItemOf<"fetched"> =
    (flags & 2) === 0 ? { type: "fetched", id, unsure } : { type: "fetched", id, state: readState(reader), unsure }
  if (trace !== undefined) item.trace = trace
  if (collected !== undefined) item.collected = collected
  if ((flags & 8) !== 0) item.weak = (flags & 16) !== 0
  return item
}

function readId(reader: PackReader): string {
  return checked(reader.text(), "/items/id", { most: ID_LENGTH_MAX })
}
