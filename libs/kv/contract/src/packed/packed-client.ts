/** Packed messages between requesters and replicas (packed-messages.ts): gets, puts and their answers. */
import { NotPacked, type PackReader, type PackWriter } from "@backplane/foundation-base/packed-bytes"
import type { KvAnswer, KvAsk, KvRequest, KvSuccess, KvTell, Operation, Staleness } from "../client-messages.ts"
import { IDEMPOTENCY_LENGTH_MAX } from "../idempotency.ts"
import { BATCH_ITEMS_MAX, SIBLINGS_MAX } from "../limits.ts"
import { checked, readBucket, readCount, readKey, readTrace, readValue, readVector, writeVector, type AllFields } from "./packed-parts.ts"

const GET = 1
const PUT = 2
const COPIES_MAX = 7

type OperationOf<Name extends Operation["type"]> = Extract<Operation, { type: Name }>

true satisfies AllFields<KvAsk, "kind" | "requests" | "sent">
true satisfies AllFields<KvRequest, "sequence" | "attempt" | "operation" | "trace" | "age" | "idempotency">
true satisfies AllFields<OperationOf<"get">, "type" | "bucket" | "key" | "r" | "session">
true satisfies AllFields<OperationOf<"put">, "type" | "bucket" | "key" | "value" | "context" | "w" | "sloppy" | "session">
true satisfies AllFields<KvTell, "kind" | "answers">
true satisfies AllFields<KvSuccess, "sequence" | "ok" | "values" | "result" | "context" | "swapped" | "session" | "staleness">
true satisfies AllFields<Staleness, "answered" | "apart" | "certifiedAt">

/** False where a request has no packed form. */
export function writeAsk(writer: PackWriter, { requests, sent }: KvAsk): boolean {
  writer.byte(sent === undefined ? 0 : 1)
  if (sent !== undefined) writer.float(sent)
  writer.whole(requests.length)
  for (const request of requests) if (!writeRequest(writer, request)) return false
  return true
}

export function readAsk(reader: PackReader): KvAsk {
  const sent = reader.byte() === 0 ? undefined : reader.float()
  if (sent !== undefined && !Number.isInteger(sent)) throw new NotPacked("/sent", "must be a whole number")
  const requests: KvRequest[] = []
  const count = readCount(reader, "/requests", BATCH_ITEMS_MAX)
  if (count === 0) throw new NotPacked("/requests", "must have an entry")
  for (let left = count; left > 0; left--) requests.push(readRequest(reader))
  return sent === undefined ? { kind: "KvAsk", requests } : { kind: "KvAsk", requests, sent }
}

function writeRequest(writer: PackWriter, { sequence, attempt, operation, trace, age, idempotency }: KvRequest): boolean {
  if (operation.type !== "get" && operation.type !== "put") return false
  // Of repeats alone, and those are few.
  if (age !== undefined) return false
  if (operation.session !== undefined) return false
  writer.whole(sequence)
  writer.whole(attempt)
  writer.byte((trace === undefined ? 0 : 1) | (idempotency === undefined ? 0 : 2))
  if (trace !== undefined) writer.text(trace)
  if (idempotency !== undefined) writer.text(idempotency)
  return operation.type === "get" ? writeGet(writer, operation) : writePut(writer, operation)
}

function readRequest(reader: PackReader): KvRequest {
  const sequence = reader.whole()
  if (sequence < 1) throw new NotPacked("/requests/sequence", "must be at least 1")
  const attempt = reader.whole()
  const flags = reader.byte()
  const trace = (flags & 1) === 0 ? undefined : readTrace(reader)
  const idempotency =
    (flags & 2) === 0 ? undefined : checked(reader.text(), "/requests/idempotency", { least: 1, most: IDEMPOTENCY_LENGTH_MAX })
  const request: KvRequest = { sequence, attempt, operation: readOperation(reader) }
  if (trace !== undefined) request.trace = trace
  if (idempotency !== undefined) request.idempotency = idempotency
  return request
}

function readOperation(reader: PackReader): Operation {
  switch (reader.byte()) {
    case GET:
      return readGet(reader)
    case PUT:
      return readPut(reader)
    default:
      throw new NotPacked("/requests/operation", "there is no such operation")
  }
}

function writeGet(writer: PackWriter, { bucket, key, r }: OperationOf<"get">): boolean {
  writer.byte(GET)
  writer.name(bucket)
  writer.text(key)
  writer.byte(r ?? 0)
  return true
}

function readGet(reader: PackReader): Operation {
  const bucket = readBucket(reader)
  const key = readKey(reader)
  const r = readCopies(reader)
  return r === 0 ? { type: "get", bucket, key } : { type: "get", bucket, key, r }
}

function writePut(writer: PackWriter, { bucket, key, value, context, w, sloppy }: OperationOf<"put">): boolean {
  writer.byte(PUT)
  writer.name(bucket)
  writer.text(key)
  writer.text(value)
  writer.byte(w ?? 0)
  // 1 sloppy is told, 2 and what it is, 4 context.
  writer.byte((sloppy === undefined ? 0 : sloppy ? 3 : 1) | (context === undefined ? 0 : 4))
  return context === undefined || writeVector(writer, context)
}

function readPut(reader: PackReader): Operation {
  const put: OperationOf<"put"> = { type: "put", bucket: readBucket(reader), key: readKey(reader), value: readValue(reader) }
  const w = readCopies(reader)
  if (w !== 0) put.w = w
  const flags = reader.byte()
  if ((flags & 1) !== 0) put.sloppy = (flags & 2) !== 0
  if ((flags & 4) !== 0) put.context = readVector(reader)
  return put
}

/** 0: not told. */
function readCopies(reader: PackReader): number {
  const copies = reader.byte()
  if (copies > COPIES_MAX) throw new NotPacked("/requests/operation", `may ask for at most ${COPIES_MAX} replicas`)
  return copies
}

/** False where an answer has no packed form. */
export function writeTell(writer: PackWriter, { answers }: KvTell): boolean {
  writer.whole(answers.length)
  for (const answer of answers) if (!answer.ok || !writeSuccess(writer, answer)) return false
  return true
}

export function readTell(reader: PackReader): KvTell {
  const answers: KvAnswer[] = []
  const count = readCount(reader, "/answers", BATCH_ITEMS_MAX)
  if (count === 0) throw new NotPacked("/answers", "must have an entry")
  for (let left = count; left > 0; left--) answers.push(readSuccess(reader))
  return { kind: "KvTell", answers }
}

function writeSuccess(writer: PackWriter, answer: KvSuccess): boolean {
  const { sequence, values, context, staleness } = answer
  if (answer.result !== undefined || answer.swapped !== undefined || answer.session !== undefined) return false
  if (values.length > SIBLINGS_MAX) return false
  writer.whole(sequence)
  writer.whole(values.length)
  for (const value of values) writer.text(value)
  if (!writeVector(writer, context)) return false
  writer.byte(staleness === undefined ? 0 : 1)
  if (staleness !== undefined) writeStaleness(writer, staleness)
  return true
}

function readSuccess(reader: PackReader): KvSuccess {
  const sequence = reader.whole()
  if (sequence < 1) throw new NotPacked("/answers/sequence", "must be at least 1")
  const values: string[] = []
  for (let left = readCount(reader, "/answers/values", SIBLINGS_MAX); left > 0; left--) values.push(readValue(reader))
  const context = readVector(reader)
  if (reader.byte() === 0) return { sequence, ok: true, values, context }
  return { sequence, ok: true, values, context, staleness: readStaleness(reader) }
}

function writeStaleness(writer: PackWriter, { answered, apart, certifiedAt }: Staleness): void {
  writer.whole(answered)
  writer.byte((apart ? 1 : 0) | (certifiedAt === null ? 0 : 2))
  if (certifiedAt !== null) writer.whole(certifiedAt)
}

function readStaleness(reader: PackReader): Staleness {
  const answered = reader.whole()
  const flags = reader.byte()
  return { answered, apart: (flags & 1) !== 0, certifiedAt: (flags & 2) === 0 ? null : reader.whole() }
}
