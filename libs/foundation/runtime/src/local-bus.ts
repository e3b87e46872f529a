/**
 * The bus between actors of one process: the same promises as the NATS bus, without the socket.
 *
 * Bodies pass through the codec and JSON text as they would on the wire, so that co-located actors share no objects and
 * a body that the wire would refuse is refused here too. Delivery happens in a microtask, never inside `publish`.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Bus } from "@backplane/foundation-actor/bus"
import type { Envelope } from "@backplane/foundation-actor/envelope"
import { assert } from "@backplane/foundation-base/assert"
import { decodeBody, encodeBody, parseJson } from "./body-text.ts"
import { plainCodec, type BodyCodec } from "./body-codec.ts"
import { BusLedger, type BusCounts } from "./bus-ledger.ts"
import type { EventSink } from "./sinks.ts"

/** As `max_payload` of our NATS server: a guest moves in one message. */
const PAYLOAD_BYTES_MAX = 8 * 1_048_576
const QUEUE_MAX = 65_536
/** Deliveries in one go before I/O gets its turn. */
const DELIVERIES_PER_TURN_MAX = 1024

export interface LocalBusOptions {
  readonly events: EventSink
  readonly codec?: BodyCodec
  readonly queueMax?: number
  readonly payloadBytesMax?: number
}

interface Queued {
  readonly envelope: Envelope
  readonly text: string
  readonly raw?: Uint8Array
}

export class LocalBus implements Bus {
  readonly #codec: BodyCodec
  readonly #ledger: BusLedger
  readonly #queueMax: number
  readonly #payloadBytesMax: number
  readonly #handlers = new Map<string, (envelope: Envelope) => void>()
  /** Oldest first from `#next` on; at most `queueMax`. */
  #queue: Queued[] = []
  #next = 0
  #draining = false

  constructor(options: LocalBusOptions) {
    this.#codec = options.codec ?? plainCodec
    this.#ledger = new BusLedger(options.events)
    this.#queueMax = options.queueMax ?? QUEUE_MAX
    this.#payloadBytesMax = options.payloadBytesMax ?? PAYLOAD_BYTES_MAX
  }

  get counts(): Readonly<BusCounts> {
    return this.#ledger.counts
  }

  /** Whether the actor is subscribed here. */
  has(machine: string, actor: ActorId): boolean {
    return this.#handlers.has(keyOf(machine, actor))
  }

  publish(envelope: Envelope): void {
    const encoded = encodeBody(this.#codec, envelope.body, this.#payloadBytesMax)
    if (encoded.text === undefined) return this.#ledger.problem("oversize", envelope, "body", encoded.reason)
    if (this.#queue.length - this.#next >= this.#queueMax) {
      return this.#ledger.problem("dropped", envelope, "queue", `the queue of the local bus is full (${this.#queueMax})`)
    }
    this.#ledger.counts.sent++
    this.#queue.push({ envelope, text: encoded.text, ...(encoded.raw !== undefined && { raw: encoded.raw.slice() }) })
    if (this.#draining) return
    this.#draining = true
    queueMicrotask(this.#drain)
  }

  subscribe(machine: string, actor: ActorId, handler: (envelope: Envelope) => void): () => void {
    const key = keyOf(machine, actor)
    assert(!this.#handlers.has(key), `one handler an actor: ${key}`)
    this.#handlers.set(key, handler)
    return () => {
      if (this.#handlers.get(key) === handler) this.#handlers.delete(key)
    }
  }

  readonly #drain = (): void => {
    for (let budget = DELIVERIES_PER_TURN_MAX; budget > 0; budget--) {
      const queued = this.#queue[this.#next]
      if (queued === undefined) {
        this.#queue = []
        this.#next = 0
        this.#draining = false
        return
      }
      this.#next++
      this.#deliver(queued)
    }
    this.#queue.splice(0, this.#next)
    this.#next = 0
    setImmediate(this.#drain)
  }

  #deliver({ envelope, text, raw }: Queued): void {
    const handler = this.#handlers.get(keyOf(envelope.machine, envelope.to))
    if (handler === undefined) return
    const value = parseJson(text)
    if (value === undefined) return this.#ledger.problem("malformed", envelope, "body", "no JSON")
    const { body, rejection } = decodeBody(this.#codec, value, raw)
    if (body === undefined) return this.#ledger.problem("rejected", envelope, rejection.field, rejection.reason)
    this.#ledger.counts.received++
    handler({ ...envelope, body })
  }
}

function keyOf(machine: string, actor: ActorId): string {
  return `${machine}/${actor}`
}
