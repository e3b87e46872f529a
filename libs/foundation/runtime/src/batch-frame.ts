/**
 * Many small messages of one sender to one receiver as one NATS message.
 *
 * ```
 * byte 0      0xb1: a frame (JSON text never begins with it, so plain JSON needs no mark); 0xb2: one with raw bytes
 * 1…4         count, unsigned, little endian
 * 5…8         only in 0xb2: how many bytes of JSON
 * per message flags (1 trace, 2 stamp, 4 sampled, 8 raw, 16 the sender reads packed bodies); with trace 16 + 8 bytes of ids; with stamp at and sequence, two float64;
 *             with raw its length, unsigned
 * then        UTF-8 JSON array of the bodies, in order
 * rest        only in 0xb2: the raw bytes, in order
 * ```
 * One array means one JSON.parse for all: half the cost of one each. Raw bytes are a body's field `bytes` (body-text.ts).
 */
import type { Envelope } from "@backplane/foundation-actor/envelope"
import type { TraceContext } from "@backplane/foundation-actor/trace-context"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Json } from "@backplane/foundation-base/json"

const FRAME_MARK = 0xb1
const RAW_FRAME_MARK = 0xb2
export const FRAME_MESSAGES_MAX = 65_536
const HEADER_BYTES = 5
const LENGTH_BYTES = 4
const TRACE_BYTES = 24
const STAMP_BYTES = 16
const HAS_TRACE = 1
const HAS_STAMP = 2
const SAMPLED = 4
const HAS_RAW = 8
const READS_PACKED = 16

/** What travels beside a body. */
export interface Carried {
  readonly trace?: TraceContext | undefined
  readonly stamp?: Envelope["stamp"] | undefined
  /** The body's field `bytes`, where it is none of its text; or all of it (body-text.ts). */
  readonly raw?: Uint8Array | undefined
}

/** The frame says from now on that its sender reads packed bodies. `room`: as it was left when the frame was made. */
export function markReadsPacked(frame: Buffer, room: number): void {
  const at = room + flagsAt(frame, room)
  frame[at] = (frame[at] as number) | READS_PACKED
}

/** Whether the sender of the frame said that it reads packed bodies. */
export function readsPacked(frame: Buffer): boolean {
  return ((frame[flagsAt(frame, 0)] ?? 0) & READS_PACKED) !== 0
}

/** Where the flags of the first message are, from the mark on. */
function flagsAt(frame: Buffer, room: number): number {
  return HEADER_BYTES + (frame[room] === RAW_FRAME_MARK ? LENGTH_BYTES : 0)
}

/** Is this a frame, and no JSON text? */
export function isFrame(first: number | undefined): boolean {
  return first === FRAME_MARK || first === RAW_FRAME_MARK
}

export interface FramedMessage extends Carried {
  readonly value: Json
}

/** Most bytes that one message adds besides its text. */
export const CARRIED_BYTES_MAX = 1 + TRACE_BYTES + STAMP_BYTES + LENGTH_BYTES + 1

/** Raw bytes of fewer in all are copied: parts of their own cost a socket more than that. */
const OWN_PARTS_BYTES = 16_384

/** `texts` are the bodies as JSON text; `carried` lies beside them, same length. The first `room` bytes are left to the caller. */
export function encodeFrame(texts: readonly string[], carried: readonly Carried[], room = 0): Buffer {
  const rawBytes = rawBytesOf(carried)
  const { frame, end } = encodeHead(texts, carried, { room, rawBytes, tail: rawBytes })
  let offset = end
  for (const { raw } of carried) {
    if (raw === undefined) continue
    frame.set(raw, offset)
    offset += raw.length
  }
  return frame
}

/** The same as parts, one behind the other: where there are many raw bytes they are not copied, and must not be changed before they are sent. */
export function encodeParts(texts: readonly string[], carried: readonly Carried[], room = 0): readonly [Buffer, ...Uint8Array[]] {
  const rawBytes = rawBytesOf(carried)
  if (rawBytes < OWN_PARTS_BYTES) return [encodeFrame(texts, carried, room)]
  return [encodeHead(texts, carried, { room, rawBytes, tail: 0 }).frame, ...carried.flatMap(({ raw }) => (raw === undefined ? [] : [raw]))]
}

function rawBytesOf(carried: readonly Carried[]): number {
  return carried.reduce((sum, { raw }) => sum + (raw?.length ?? 0), 0)
}

/** All of a frame but its raw bytes, with `tail` bytes left for them. */
function encodeHead(
  texts: readonly string[],
  carried: readonly Carried[],
  { room, rawBytes, tail }: { readonly room: number; readonly rawBytes: number; readonly tail: number },
): { readonly frame: Buffer; readonly end: number } {
  const bodies = `[${texts.join(",")}]`
  let metaBytes = room + HEADER_BYTES + texts.length
  for (const { trace, stamp, raw } of carried)
    metaBytes += (trace === undefined ? 0 : TRACE_BYTES) + (stamp === undefined ? 0 : STAMP_BYTES) + (raw === undefined ? 0 : LENGTH_BYTES)
  const jsonBytes = Buffer.byteLength(bodies)
  const hasRaw = rawBytes > 0
  const frame = Buffer.allocUnsafe(metaBytes + (hasRaw ? LENGTH_BYTES : 0) + jsonBytes + tail)
  frame[room] = hasRaw ? RAW_FRAME_MARK : FRAME_MARK
  frame.writeUInt32LE(texts.length, room + 1)
  let offset = room + HEADER_BYTES
  if (hasRaw) offset = frame.writeUInt32LE(jsonBytes, offset)
  for (const each of carried) offset = writeCarried(frame, offset, each)
  return { frame, end: offset + frame.write(bodies, offset, "utf8") }
}

function writeCarried(frame: Buffer, start: number, { trace, stamp, raw }: Carried): number {
  let offset = start + 1
  let flags = 0
  if (trace !== undefined) {
    flags |= HAS_TRACE | (trace.sampled ? SAMPLED : 0)
    frame.write(trace.traceId, offset, "hex")
    frame.write(trace.spanId, offset + 16, "hex")
    offset += TRACE_BYTES
  }
  if (stamp !== undefined) {
    flags |= HAS_STAMP
    frame.writeDoubleLE(stamp.at, offset)
    frame.writeDoubleLE(stamp.sequence, offset + 8)
    offset += STAMP_BYTES
  }
  if (raw !== undefined && raw.length > 0) {
    flags |= HAS_RAW
    offset = frame.writeUInt32LE(raw.length, offset)
  }
  frame[start] = flags
  return offset
}

/** The messages, or the reason why this is no frame. Never throws. Raw bytes are a view of `bytes`. */
export function decodeFrame(bytes: Uint8Array): readonly FramedMessage[] | string {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const hasRaw = frame[0] === RAW_FRAME_MARK
  const start = HEADER_BYTES + (hasRaw ? LENGTH_BYTES : 0)
  if (frame.length < start || !isFrame(frame[0])) return "no frame of version 1"
  const count = frame.readUInt32LE(1)
  if (count > FRAME_MESSAGES_MAX || frame.length < start + count) return `a frame of ${frame.length} bytes cannot hold ${count} messages`
  const table = readTable(frame, start, count)
  if (typeof table === "string") return table
  const { carried, rawLengths } = table
  const jsonEnd = hasRaw ? table.end + frame.readUInt32LE(HEADER_BYTES) : frame.length
  const rawBytes = rawLengths.reduce((sum, length) => sum + length, 0)
  if (jsonEnd + rawBytes !== frame.length) return `the frame announces ${jsonEnd + rawBytes} bytes and has ${frame.length}`
  const bodies = parseArray(frame.toString("utf8", table.end, jsonEnd))
  if (bodies === null) return "the bodies are no JSON array"
  if (bodies.length !== count) return `the frame announces ${count} messages and holds ${bodies.length}`
  if (!hasRaw) return bodies.map((value, index) => ({ ...carried[index], value }))
  let at = jsonEnd
  return bodies.map((value, index) => {
    const length = rawLengths[index] ?? 0
    at += length
    return length === 0 ? { ...carried[index], value } : { ...carried[index], value, raw: bytes.subarray(at - length, at) }
  })
}

interface Table {
  readonly carried: readonly Carried[]
  /** 0: none. */
  readonly rawLengths: readonly number[]
  readonly end: number
}

function readTable(frame: Buffer, start: number, count: number): Table | string {
  const carried: Carried[] = []
  const rawLengths: number[] = []
  let offset = start
  for (let index = 0; index < count; index++) {
    const flags = frame[offset] as number
    const rawAt = offset + 1 + ((flags & HAS_TRACE) === 0 ? 0 : TRACE_BYTES) + ((flags & HAS_STAMP) === 0 ? 0 : STAMP_BYTES)
    const end = rawAt + ((flags & HAS_RAW) === 0 ? 0 : LENGTH_BYTES)
    if (end > frame.length) return "the frame ends within its table"
    carried.push(readCarried(frame, offset + 1, flags))
    rawLengths.push(end === rawAt ? 0 : frame.readUInt32LE(rawAt))
    offset = end
  }
  return { carried, rawLengths, end: offset }
}

function readCarried(frame: Buffer, start: number, flags: number): Carried {
  if ((flags & (HAS_TRACE | HAS_STAMP)) === 0) return NOTHING
  let offset = start
  let trace: TraceContext | undefined
  if ((flags & HAS_TRACE) !== 0) {
    trace = {
      traceId: frame.toString("hex", offset, offset + 16),
      spanId: frame.toString("hex", offset + 16, offset + 24),
      sampled: (flags & SAMPLED) !== 0,
    }
    offset += TRACE_BYTES
  }
  if ((flags & HAS_STAMP) === 0) return { trace }
  return { trace, stamp: readStamp(frame.readDoubleLE(offset), frame.readDoubleLE(offset + 8)) }
}

const NOTHING: Carried = {}

/** A stamp from outside: undefined unless both are whole and not negative. */
export function readStamp(at: number, sequence: number): Envelope["stamp"] | undefined {
  if (!Number.isSafeInteger(at) || !Number.isSafeInteger(sequence) || at < 0 || sequence < 0) return undefined
  return { at: at as VirtualTime, sequence }
}

function parseArray(text: string): readonly Json[] | null {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? (value as readonly Json[]) : null
  } catch {
    return null
  }
}
