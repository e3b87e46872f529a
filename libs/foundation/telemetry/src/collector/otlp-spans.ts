/**
 * OTLP's trace request in protobuf, read straight into our spans.
 *
 * Not through the message table of otlp-protobuf.ts: of all that a stack tells about itself nine tenths are spans, hundreds in a second, and an object
 * for each field of each message on the way cost the collector four times what reading takes. Field numbers: open-telemetry/opentelemetry-proto v1
 * (trace, common, resource). What is not read is skipped, as protobuf demands; so is a field that comes with another wire type than its own.
 */
import type { Attributes } from "@backplane/foundation-actor/trace-context"
import protobuf from "protobufjs/light.js"
import type { SpanKindWord, SpanLink, TraceSpan } from "../trace-span.ts"
import { OtlpError } from "./otlp-reader.ts"

/** `service.name` and `service.instance.id` of the resource. */
export interface Sender {
  readonly service: string
  readonly instance: string
}

/** Status code 2 of OTLP. */
export const STATUS_ERROR = 2
/** `SpanKind` 0 to 5. */
export const KINDS: readonly SpanKindWord[] = ["internal", "internal", "server", "client", "producer", "consumer"]

export function senderOf(attributes: Attributes): Sender {
  return { service: String(attributes["service.name"] ?? "unknown_service"), instance: String(attributes["service.instance.id"] ?? "") }
}

const VARINT = 0
const FIXED64 = 1
const LENGTH = 2
const tagOf = (field: number, wire: number): number => (field << 3) | wire

const REQUEST_RESOURCE_SPANS = tagOf(1, LENGTH)
const RESOURCE = tagOf(1, LENGTH)
const SCOPE_SPANS = tagOf(2, LENGTH)
const SPANS = tagOf(2, LENGTH)
const RESOURCE_ATTRIBUTES = tagOf(1, LENGTH)
const SPAN = {
  traceId: tagOf(1, LENGTH),
  spanId: tagOf(2, LENGTH),
  parentSpanId: tagOf(4, LENGTH),
  name: tagOf(5, LENGTH),
  kind: tagOf(6, VARINT),
  start: tagOf(7, FIXED64),
  end: tagOf(8, FIXED64),
  attributes: tagOf(9, LENGTH),
  links: tagOf(13, LENGTH),
  status: tagOf(15, LENGTH),
} as const
const STATUS = { message: tagOf(2, LENGTH), code: tagOf(3, VARINT) } as const
const PAIR = { key: tagOf(1, LENGTH), value: tagOf(2, LENGTH) } as const
const ANY = {
  text: tagOf(1, LENGTH),
  flag: tagOf(2, VARINT),
  whole: tagOf(3, VARINT),
  double: tagOf(4, FIXED64),
  list: tagOf(5, LENGTH),
  map: tagOf(6, LENGTH),
} as const
const REPEATED = tagOf(1, LENGTH)

type AnyValue = string | number | boolean

/** Throws `OtlpError` for an id that is none, and what protobufjs throws where the bytes are no message. */
export function spansOfProtobuf(bytes: Uint8Array): readonly TraceSpan[] {
  const input = new Input(bytes)
  const spans: TraceSpan[] = []
  let resources = 0
  input.message(input.reader.len, (tag) => {
    if (tag !== REQUEST_RESOURCE_SPANS) return false
    resourceSpans(input, `resourceSpans[${resources++}]`, spans)
    return true
  })
  return spans
}

/** The resource may stand behind its spans: they are read once it is known. */
function resourceSpans(input: Input, path: string, spans: TraceSpan[]): void {
  const { reader } = input
  const scopes: (readonly [start: number, end: number])[] = []
  let attributes: Attributes = {}
  const end = input.nested((tag) => {
    if (tag === RESOURCE) {
      const own: Record<string, AnyValue> = {}
      input.nested((inner) => inner === RESOURCE_ATTRIBUTES && input.pair(own))
      attributes = own
      return true
    }
    if (tag !== SCOPE_SPANS) return false
    const length = reader.uint32()
    scopes.push([reader.pos, reader.pos + length])
    reader.skip(length)
    return true
  })
  const sender = senderOf(attributes)
  for (const [index, [start, scopeEnd]] of scopes.entries()) {
    reader.pos = start
    let count = 0
    input.message(scopeEnd, (tag) => {
      if (tag !== SPANS) return false
      spans.push(spanOf(input, sender, () => `${path}.scopeSpans[${index}].spans[${count}]`))
      count++
      return true
    })
  }
  reader.pos = end
}

function spanOf(input: Input, sender: Sender, path: () => string): TraceSpan {
  const { reader } = input
  const attributes: Record<string, AnyValue> = {}
  const links: SpanLink[] = []
  let traceId: string | null = null
  let spanId: string | null = null
  let parentSpanId: string | null = null
  let name = ""
  let kind = 0
  let startMicros = 0
  let endMicros = 0
  let status: { readonly code: number; readonly message: string } | null = null
  input.nested((tag) => {
    if (tag === SPAN.traceId) traceId = input.id(16, path, "traceId")
    else if (tag === SPAN.spanId) spanId = input.id(8, path, "spanId")
    else if (tag === SPAN.parentSpanId) parentSpanId = input.id(8, path, "parentSpanId")
    else if (tag === SPAN.name) name = reader.string()
    else if (tag === SPAN.kind) kind = reader.uint32()
    else if (tag === SPAN.start) startMicros = input.micros()
    else if (tag === SPAN.end) endMicros = input.micros()
    else if (tag === SPAN.attributes) input.pair(attributes)
    else if (tag === SPAN.links) links.push(linkOf(input, () => `${path()}.links[${links.length}]`))
    else if (tag === SPAN.status) status = statusOf(input)
    else return false
    return true
  })
  return {
    traceId: needed(traceId, 16, path, "traceId"),
    spanId: needed(spanId, 8, path, "spanId"),
    parentSpanId,
    name,
    kind: KINDS[kind] ?? "internal",
    service: sender.service,
    instance: sender.instance,
    startMicros,
    endMicros: Math.max(startMicros, endMicros),
    attributes,
    links,
    error: errorOf(status),
  }
}

function errorOf(status: { readonly code: number; readonly message: string } | null): string | null {
  return status !== null && status.code === STATUS_ERROR ? status.message || "error" : null
}

function statusOf(input: Input): { readonly code: number; readonly message: string } {
  let code = 0
  let message = ""
  input.nested((tag) => {
    if (tag === STATUS.message) message = input.reader.string()
    else if (tag === STATUS.code) code = input.reader.uint32()
    else return false
    return true
  })
  return { code, message }
}

function linkOf(input: Input, path: () => string): SpanLink {
  let traceId: string | null = null
  let spanId: string | null = null
  input.nested((tag) => {
    if (tag === SPAN.traceId) traceId = input.id(16, path, "traceId")
    else if (tag === SPAN.spanId) spanId = input.id(8, path, "spanId")
    else return false
    return true
  })
  return { traceId: needed(traceId, 16, path, "traceId"), spanId: needed(spanId, 8, path, "spanId") }
}

function needed(id: string | null, bytes: number, path: () => string, field: string): string {
  if (id !== null) return id
  throw new OtlpError(`${path()}.${field}`, `is needed: ${bytes * 2} hexadecimal digits, not all zero`)
}

/** Reads messages nested in one another; `onField` takes a field whose tag it knows and says so, the others are skipped. */
class Input {
  readonly reader: protobuf.Reader
  readonly #bytes: Buffer

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.reader = protobuf.Reader.create(this.#bytes)
  }

  message(end: number, onField: (tag: number) => boolean): void {
    const { reader } = this
    if (end > reader.len) throw new RangeError("a message ends behind the bytes")
    while (reader.pos < end) {
      const tag = reader.uint32()
      if (!onField(tag)) reader.skipType(tag & 7)
    }
    if (reader.pos !== end) throw new RangeError("a field ends behind its message")
  }

  /** A message with its length in front; returns where it ends. */
  nested(onField: (tag: number) => boolean): number {
    const length = this.reader.uint32()
    const end = this.reader.pos + length
    this.message(end, onField)
    return end
  }

  /** Nanoseconds since 1970 as microseconds: 64 bits do not fit a number, so both halves are divided first. */
  micros(): number {
    const low = this.reader.fixed32()
    const high = this.reader.fixed32()
    // 2^32 ns = 4,294,967.296 µs: whole parts and fractions are added apart, so that nothing is lost before the last rounding.
    return high * 4_294_967 + Math.floor((high * 296 + low) / 1000) + ((high * 296 + low) % 1000) / 1000
  }

  /** As hexadecimal text; null where it is empty or all zero. */
  id(bytes: number, path: () => string, field: string): string | null {
    const length = this.reader.uint32()
    const start = this.reader.pos
    this.reader.skip(length)
    if (length === 0) return null
    if (length !== bytes) throw new OtlpError(`${path()}.${field}`, `is ${bytes * 2} hexadecimal digits (${bytes} bytes in protobuf)`)
    const text = this.#bytes.toString("hex", start, start + length)
    return /^0+$/.test(text) ? null : text
  }

  pair(into: Record<string, AnyValue>): boolean {
    let key = ""
    let value: AnyValue | null = null
    this.nested((tag) => {
      if (tag === PAIR.key) key = this.reader.string()
      else if (tag === PAIR.value) value = this.any()
      else return false
      return true
    })
    if (value !== null) into[key] = value
    return true
  }

  /** Lists and maps become their JSON text; bytes and nothing at all become empty text. */
  any(): AnyValue {
    const { reader } = this
    let value: AnyValue = ""
    this.nested((tag) => {
      if (tag === ANY.text) value = reader.string()
      else if (tag === ANY.flag) value = reader.bool()
      else if (tag === ANY.whole) value = Number(reader.int64())
      else if (tag === ANY.double) value = reader.double()
      else if (tag === ANY.list) value = JSON.stringify(this.#list())
      else if (tag === ANY.map) value = JSON.stringify(this.#map())
      else return false
      return true
    })
    return value
  }

  #list(): readonly AnyValue[] {
    const values: AnyValue[] = []
    this.nested((tag) => tag === REPEATED && values.push(this.any()) > 0)
    return values
  }

  #map(): Attributes {
    const map: Record<string, AnyValue> = {}
    this.nested((tag) => tag === REPEATED && this.pair(map))
    return map
  }
}
