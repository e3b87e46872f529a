/**
 * The parts of packed messages (packed-messages.ts): texts and numbers within the limits of their schemas, vectors, the state of a key.
 *
 * What is read is from anybody, so each part is held against the limits of its schema here: what comes out fits it.
 */
import type { Json } from "@backplane/foundation-base/json"
import { NotPacked, type PackReader, type PackWriter } from "@backplane/foundation-base/packed-bytes"
import {
  BUCKET_NAME_LENGTH_MAX,
  COUNTED_LENGTH_MAX,
  DONE_NAMES_MAX,
  DONE_SEQUENCES_MAX,
  KEY_LENGTH_MAX,
  SIBLINGS_MAX,
  VALUE_LENGTH_MAX,
  VECTOR_ENTRIES_MAX,
} from "../limits.ts"
import type { Dot, KeyState, Vector, Version } from "../versions.ts"

const BUCKET = /^[a-z][a-z0-9-]*$/
const TRACE = /^[0-9a-f]{32}-[0-9a-f]{16}$/
const HASH = /^[0-9a-f]{16}$/
const WRITER_LENGTH_MAX = 96
const DONE_LENGTH_MAX = 256
const REQUESTS_MAX = DONE_SEQUENCES_MAX + DONE_NAMES_MAX

/** All fields of `T` are among `Names`: one that is added to a schema does not compile until it is packed as well. */
export type AllFields<T, Names extends PropertyKey> = Exclude<keyof T, Names> extends never ? true : never

/** `limit`: in characters, as schemas count. */
export function checked(text: string, field: string, { least = 0, most }: { readonly least?: number; readonly most: number }): string {
  const isLong = text.length > most && (text.length > 2 * most || [...text].length > most)
  if (isLong || text.length < least) throw new NotPacked(field, `must have ${least} to ${most} characters`)
  return text
}

export function readCount(reader: PackReader, field: string, most: number): number {
  const count = reader.whole()
  if (count > most) throw new NotPacked(field, `must have at most ${most} entries`)
  return count
}

export function readBucket(reader: PackReader): string {
  const bucket = reader.name()
  if (bucket.length > BUCKET_NAME_LENGTH_MAX || !BUCKET.test(bucket)) throw new NotPacked("/bucket", "is no name of a bucket")
  return bucket
}

export function readKey(reader: PackReader): string {
  return checked(reader.text(), "/key", { least: 1, most: KEY_LENGTH_MAX })
}

export function readTrace(reader: PackReader): string {
  const trace = reader.text()
  if (!TRACE.test(trace)) throw new NotPacked("/trace", "is no trace and span")
  return trace
}

export function readHash(reader: PackReader): string {
  const hash = reader.text()
  if (!HASH.test(hash)) throw new NotPacked("/hash", "is no hash")
  return hash
}

export function readValue(reader: PackReader): string {
  return checked(reader.text(), "/value", { most: VALUE_LENGTH_MAX })
}

/** False where the vector cannot be packed: a name that an object cannot be given by assigning it. */
export function writeVector(writer: PackWriter, vector: Vector): boolean {
  const names = Object.keys(vector)
  writer.whole(names.length)
  for (const name of names) {
    if (name === "__proto__") return false
    writer.name(name)
    writer.float(vector[name] as number)
  }
  return true
}

export function readVector(reader: PackReader): Vector {
  const vector: Record<string, number> = {}
  for (let left = readCount(reader, "/context", VECTOR_ENTRIES_MAX); left > 0; left--) {
    const writer = readWriter(reader)
    vector[writer] = readCounter(reader)
  }
  return vector
}

function readWriter(reader: PackReader): string {
  const name = checked(reader.name(), "/writer", { least: 1, most: WRITER_LENGTH_MAX })
  if (name === "__proto__") throw new NotPacked("/writer", "is no name of a writer")
  return name
}

function readCounter(reader: PackReader): number {
  const count = reader.float()
  if (!Number.isSafeInteger(count) || count < 1) throw new NotPacked("/counter", "must be a whole number from 1")
  return count
}

const HAS_CRDT = 1
const HAS_DONE = 2
const HAS_COUNTED = 4

true satisfies AllFields<KeyState, "context" | "versions" | "crdt" | "done" | "counted">
true satisfies AllFields<Version, "dot" | "value">

/** False where it cannot be packed. */
export function writeState(writer: PackWriter, { context, versions, crdt, done, counted }: KeyState): boolean {
  writer.byte((crdt === undefined ? 0 : HAS_CRDT) | (done === undefined ? 0 : HAS_DONE) | (counted === undefined ? 0 : HAS_COUNTED))
  if (!writeVector(writer, context)) return false
  writer.whole(versions.length)
  for (const { dot, value } of versions) {
    writeDot(writer, dot)
    writer.byte(value === null ? 0 : 1)
    if (value !== null) writer.text(value)
  }
  if (crdt !== undefined) writer.text(JSON.stringify(crdt))
  if (done !== undefined) writeTexts(writer, done)
  if (counted !== undefined) writeTexts(writer, counted)
  return true
}

export function readState(reader: PackReader): KeyState {
  const flags = reader.byte()
  const context = readVector(reader)
  const versions = readList(reader, readCount(reader, "/versions", SIBLINGS_MAX), readVersion)
  // Most have just these: what is added to an object later lies beside it, and takes more room for as long as the key is known.
  if (flags === HAS_DONE) return { context, versions, done: readTexts(reader, "/done", DONE_LENGTH_MAX) }
  const state: KeyState = { context, versions }
  if ((flags & HAS_CRDT) !== 0) state.crdt = readJson(reader)
  if ((flags & HAS_DONE) !== 0) state.done = readTexts(reader, "/done", DONE_LENGTH_MAX)
  if ((flags & HAS_COUNTED) !== 0) state.counted = readTexts(reader, "/counted", COUNTED_LENGTH_MAX)
  return state
}

/** Most have one item, and a list that begins empty takes room for seventeen with the first. */
function readList<Item>(reader: PackReader, count: number, read: (reader: PackReader) => Item): Item[] {
  if (count === 0) return []
  const items = [read(reader)]
  while (items.length < count) items.push(read(reader))
  return items
}

function readVersion(reader: PackReader): Version {
  const dot = readDot(reader)
  return { dot, value: reader.byte() === 0 ? null : readValue(reader) }
}

function writeDot(writer: PackWriter, [name, count]: Dot): void {
  writer.name(name)
  writer.float(count)
}

function readDot(reader: PackReader): Dot {
  const writer = readWriter(reader)
  return [writer, readCounter(reader)]
}

export function writeDots(writer: PackWriter, dots: readonly Dot[]): void {
  writer.whole(dots.length)
  for (const dot of dots) writeDot(writer, dot)
}

export function readDots(reader: PackReader, field: string): Dot[] {
  return readList(reader, readCount(reader, field, SIBLINGS_MAX), readDot)
}

function readJson(reader: PackReader): Json {
  try {
    return JSON.parse(reader.text()) as Json
  } catch (error) {
    throw error instanceof NotPacked ? error : new NotPacked("/crdt", "is no JSON")
  }
}

function writeTexts(writer: PackWriter, texts: readonly string[]): void {
  writer.whole(texts.length)
  for (const text of texts) writer.text(text)
}

function readTexts(reader: PackReader, field: string, most: number): string[] {
  const count = readCount(reader, field, REQUESTS_MAX)
  const readText = (): string => checked(reader.text(), field, { most })
  return readList(reader, count, readText)
}
