/**
 * The bus over NATS core: at most once, order kept per sender and receiver, trace and stamp beside the body.
 *
 * A lone message goes out as plain JSON with headers (`traceparent`, `Bp-At`, `Bp-Sequence`), so that a service in any
 * language can speak it. What one turn of the event loop publishes to one receiver goes out as one packed frame
 * (batch-frame.ts), if that receiver is known to read frames: each of our messages says so of its sender, by a space before
 * the JSON, which no other reader notices. Who has not been heard (and is not of a kind that reads them, `readsFrames`), or speaks
 * without the space, gets one plain message each.
 * The turn's end is a microtask, not a timer: a lone message waits for nothing.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Bus } from "@backplane/foundation-actor/bus"
import type { Envelope } from "@backplane/foundation-actor/envelope"
import { assert } from "@backplane/foundation-base/assert"
import type { Json } from "@backplane/foundation-base/json"
import { headers, type Msg, type MsgHdrs, type NatsConnection } from "@nats-io/nats-core"
import { CARRIED_BYTES_MAX, decodeFrame, encodeFrame, FRAME_MESSAGES_MAX, isFrame, readStamp, type Carried } from "./batch-frame.ts"
import { decodeBody, encodeBody, parseJson, withBytes } from "./body-text.ts"
import { plainCodec, type BodyCodec } from "./body-codec.ts"
import { BusLedger, NOBODY, type BusCounts } from "./bus-ledger.ts"
import { OutboundGauge } from "./outbound-gauge.ts"
import type { EventSink } from "./sinks.ts"
import { inboxSubject, senderOf, subjectOf } from "./subjects.ts"
import { formatTraceparent, parseTraceparent } from "./traceparent.ts"

const TRACEPARENT = "traceparent"
const AT = "Bp-At"
const SEQUENCE = "Bp-Sequence"
/** Room for the headers of a lone message within the server's `max_payload`. */
const HEADERS_BYTES = 256
/** A frame is sent when it has grown to this: large enough to be cheap, small enough to be no burden to others. */
const FRAME_BYTES = 131_072
const SENDERS_CACHED_MAX = 4096
/** Stands before the JSON of a sender that reads frames. */
const READS_FRAMES = " "
const READS_FRAMES_BYTE = 0x20
const PEERS_MAX = 65_536

export interface NatsBusOptions {
  readonly connection: NatsConnection
  readonly events: EventSink
  readonly codec?: BodyCodec
  /** Does this peer read frames, though nothing was heard of it yet? Absent: none. For kinds of actor of which there are only our own. */
  readonly readsFrames?: (to: ActorId) => boolean
}

/** What waits for the end of this turn under one subject. */
interface Pending {
  readonly subject: string
  readonly first: Envelope
  readonly texts: string[]
  readonly carried: Carried[]
  bytes: number
}

export class NatsBus implements Bus {
  readonly #connection: NatsConnection
  readonly #codec: BodyCodec
  readonly #ledger: BusLedger
  readonly #gauge: OutboundGauge
  readonly #payloadBytesMax: number
  readonly #subscribed = new Set<string>()
  /** `<machine>.<actor>` of those who are known to read frames, or not to. */
  readonly #readers = new Map<string, boolean>()
  readonly #readsFrames: (to: ActorId) => boolean
  #pending = new Map<string, Pending>()

  constructor(options: NatsBusOptions) {
    this.#connection = options.connection
    this.#codec = options.codec ?? plainCodec
    this.#readsFrames = options.readsFrames ?? (() => false)
    this.#ledger = new BusLedger(options.events)
    this.#gauge = new OutboundGauge(options.connection)
    this.#payloadBytesMax = (options.connection.info?.max_payload ?? 1_048_576) - HEADERS_BYTES
  }

  get counts(): Readonly<BusCounts> {
    return this.#ledger.counts
  }

  /** The service's status watcher tells the bus of permission violations, which NATS reports out of band. */
  refused(subject: string, reason: string): void {
    this.#ledger.problem(
      "refused",
      { machine: subject.split(".")[1] ?? "", from: senderOf(subject) ?? NOBODY, to: NOBODY },
      subject,
      reason,
    )
  }

  publish(envelope: Envelope): void {
    const encoded = encodeBody(this.#codec, envelope.body, this.#payloadBytesMax)
    if (encoded.text === undefined) return this.#ledger.problem("oversize", envelope, "body", encoded.reason)
    const subject = subjectOf(envelope.machine, envelope.to, envelope.from)
    const pending = this.#pending.get(subject) ?? this.#open(subject, envelope)
    pending.texts.push(encoded.text)
    const { raw } = encoded
    pending.carried.push(raw === undefined ? envelope : { trace: envelope.trace, stamp: envelope.stamp, raw })
    pending.bytes += encoded.text.length + (raw?.length ?? 0) + CARRIED_BYTES_MAX
    if (pending.bytes < FRAME_BYTES && pending.texts.length < FRAME_MESSAGES_MAX) return
    this.#pending.delete(subject)
    this.#send(pending)
  }

  subscribe(machine: string, actor: ActorId, handler: (envelope: Envelope) => void): () => void {
    const inbox = inboxSubject(machine, actor)
    assert(!this.#subscribed.has(inbox), `one handler an actor: ${inbox}`)
    this.#subscribed.add(inbox)
    const reader = new InboxReader({
      machine,
      to: actor,
      handler,
      codec: this.#codec,
      ledger: this.#ledger,
      noteReader: (from, reads) => this.#noteReader(`${machine}.${from}`, reads),
    })
    const subscription = this.#connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error === null) reader.receive(message)
        else this.refused(inbox, error.message)
      },
    })
    return () => {
      reader.close()
      this.#subscribed.delete(inbox)
      subscription.unsubscribe()
    }
  }

  /** Sends now what waits for the end of the turn. */
  flush(): void {
    const pending = this.#pending
    if (pending.size === 0) return
    this.#pending = new Map()
    for (const each of pending.values()) this.#send(each)
  }

  #open(subject: string, first: Envelope): Pending {
    if (this.#pending.size === 0) queueMicrotask(() => this.flush())
    const pending: Pending = { subject, first, texts: [], carried: [], bytes: 0 }
    this.#pending.set(subject, pending)
    return pending
  }

  #noteReader(peer: string, reads: boolean): void {
    if (this.#readers.size >= PEERS_MAX) this.#readers.clear()
    this.#readers.set(peer, reads)
  }

  #send(pending: Pending): void {
    const { subject, first, texts, carried } = pending
    const raw = texts.length === 1 ? carried[0]?.raw : undefined
    const asFrame =
      (texts.length > 1 || raw !== undefined) && (this.#readers.get(`${first.machine}.${first.to}`) ?? this.#readsFrames(first.to))
    if (texts.length > 1 && !asFrame) return this.#sendEach(pending)
    const only = asFrame ? undefined : READS_FRAMES + withBytes(texts[0] ?? "", raw)
    const payload = only ?? encodeFrame(texts, carried)
    // A code unit of text that is not ASCII has more bytes than it counts: where that oversteps the limit, send by halves.
    if (texts.length > 1 && payload.length > this.#payloadBytesMax) return this.#sendHalves(pending)
    const obstacle = this.#gauge.admit(payload.length)
    if (obstacle !== null) return this.#drop(pending, obstacle)
    const options = only === undefined ? undefined : headersOf(carried[0] ?? first)
    try {
      this.#connection.publish(subject, payload, options)
    } catch (error) {
      return this.#drop(pending, error instanceof Error ? error.message : String(error))
    }
    this.#ledger.counts.sent += texts.length
    if (only === undefined) this.#ledger.counts.frames++
  }

  #sendEach({ subject, first, texts, carried }: Pending): void {
    texts.forEach((text, index) => this.#send({ subject, first, texts: [text], carried: carried.slice(index, index + 1), bytes: 0 }))
  }

  #sendHalves({ subject, first, texts, carried }: Pending): void {
    const middle = texts.length >> 1
    this.#send({ subject, first, texts: texts.slice(0, middle), carried: carried.slice(0, middle), bytes: 0 })
    this.#send({ subject, first, texts: texts.slice(middle), carried: carried.slice(middle), bytes: 0 })
  }

  #drop({ first, texts }: Pending, reason: string): void {
    this.#ledger.problem("dropped", first, "connection", reason)
    this.#ledger.counts.dropped += texts.length - 1
  }
}

function headersOf({ trace, stamp }: Carried): { headers: MsgHdrs } | undefined {
  if (trace === undefined && stamp === undefined) return undefined
  const made = headers()
  if (trace !== undefined) made.set(TRACEPARENT, formatTraceparent(trace))
  if (stamp !== undefined) {
    made.set(AT, String(stamp.at))
    made.set(SEQUENCE, String(stamp.sequence))
  }
  return { headers: made }
}

interface InboxOptions {
  readonly machine: string
  readonly to: ActorId
  readonly handler: (envelope: Envelope) => void
  readonly codec: BodyCodec
  readonly ledger: BusLedger
  /** The sender reads frames, or it does not. */
  readonly noteReader: (from: ActorId, reads: boolean) => void
}

interface Sender {
  readonly from: ActorId | null
  /** What its last message said; null before the first. */
  readsFrames: boolean | null
}

/** Turns what arrives for one actor into envelopes: plain JSON and frames, from anybody, in any shape. */
class InboxReader {
  readonly #options: InboxOptions
  readonly #senders = new Map<string, Sender>()
  #open = true

  constructor(options: InboxOptions) {
    this.#options = options
  }

  close(): void {
    this.#open = false
  }

  receive(message: Msg): void {
    if (!this.#open) return
    const { machine, to, ledger, noteReader } = this.#options
    const sender = this.#sender(message.subject)
    const { from } = sender
    if (from === null) return ledger.problem("malformed", { machine, from: NOBODY, to }, message.subject, "the subject names no sender")
    const bytes = message.data
    const readsFrames = bytes[0] === READS_FRAMES_BYTE || isFrame(bytes[0])
    if (readsFrames !== sender.readsFrames) {
      sender.readsFrames = readsFrames
      noteReader(from, readsFrames)
    }
    if (isFrame(bytes[0])) {
      const messages = decodeFrame(bytes)
      if (typeof messages === "string") return ledger.problem("malformed", { machine, from, to }, "frame", messages)
      for (const each of messages) this.#deliver(from, each.value, each)
      return
    }
    const value = parseJson(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"))
    if (value === undefined) return ledger.problem("malformed", { machine, from, to }, "body", "no JSON")
    this.#deliver(from, value, message.headers === undefined ? NOTHING : carriedBy(message.headers))
  }

  #deliver(from: ActorId, value: Json, { trace, stamp, raw }: Carried): void {
    if (!this.#open) return
    const { machine, to, codec, ledger, handler } = this.#options
    const { body, rejection } = decodeBody(codec, value, raw)
    if (body === undefined) return ledger.problem("rejected", { machine, from, to }, rejection.field, rejection.reason)
    ledger.counts.received++
    if (trace === undefined && stamp === undefined) return handler({ machine, from, to, body })
    handler({ machine, from, to, body, ...(trace === undefined ? NOTHING : { trace }), ...(stamp === undefined ? NOTHING : { stamp }) })
  }

  #sender(subject: string): Sender {
    const known = this.#senders.get(subject)
    if (known !== undefined) return known
    if (this.#senders.size >= SENDERS_CACHED_MAX) this.#senders.clear()
    const sender: Sender = { from: senderOf(subject), readsFrames: null }
    this.#senders.set(subject, sender)
    return sender
  }
}

const NOTHING = {}

function carriedBy(given: MsgHdrs): Carried {
  const traceparent = given.get(TRACEPARENT)
  const at = given.get(AT)
  return {
    trace: traceparent === "" ? undefined : (parseTraceparent(traceparent) ?? undefined),
    stamp: at === "" ? undefined : readStamp(Number(at), Number(given.get(SEQUENCE))),
  }
}
