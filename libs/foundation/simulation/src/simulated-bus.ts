/**
 * The simulated network behind the `Bus` interface: for what speaks to a bus rather than to a world, and for the suite that
 * all buses pass. Nothing moves by itself: `advance` moves the clock and delivers what is due. Bodies pass through JSON
 * text as on a wire, so the two ends share no objects and what no wire carries is refused here too.
 */
import { assert } from "@backplane/foundation-base/assert"
import { PriorityQueue } from "@backplane/foundation-base/priority-queue"
import type { Json } from "@backplane/foundation-base/json"
import { Random } from "@backplane/foundation-base/random"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Bus } from "@backplane/foundation-actor/bus"
import type { Body } from "@backplane/foundation-actor/machine"
import type { Envelope } from "@backplane/foundation-actor/envelope"
import { after, TIME_ZERO, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { FaultPlan } from "./fault-plan.ts"
import { Network } from "./network.ts"
import { LATENCY_CYCLES_DEFAULT } from "./world-options.ts"

/** Bodies as JSON and back; a decoder that throws refuses. */
export interface SimulatedCodec {
  encode(body: Body): Json
  decode(value: Json): Body
}

export interface SimulatedBusOptions {
  readonly seed: number
  /** Cycles that a message takes; at least 1. */
  readonly latency?: number
  /** Its message faults only: a bus has no actors to crash. */
  readonly faults?: FaultPlan
  /** Messages under way to one actor; what comes beyond is dropped and counted. */
  readonly waitingMax?: number
  /** Without it bodies must be plain JSON. */
  readonly codec?: SimulatedCodec
  /** Longest body as JSON text, in UTF-8 bytes. */
  readonly payloadBytesMax?: number
}

export interface SimulatedBusCounts {
  readonly delivered: number
  /** Too many were under way to the receiver. */
  readonly dropped: number
  /** No JSON, or too long. */
  readonly refused: number
}

interface Flight {
  readonly at: VirtualTime
  /** Place in the order of publishing: later ones of one time come later. */
  readonly order: number
  readonly address: string
  readonly envelope: Envelope
  /** The body. */
  readonly text: string
}

type Handler = (envelope: Envelope) => void

const WAITING_MAX_DEFAULT = 100_000
/** As `max_payload` of our NATS server: a guest moves in one message. */
const PAYLOAD_BYTES_MAX_DEFAULT = 8 * 1_048_576

const PLAIN_CODEC: SimulatedCodec = {
  encode: (body) => body as unknown as Json,
  decode: (value) => value as unknown as Body,
}

export class SimulatedBus implements Bus {
  readonly #network: Network
  readonly #latency: number
  readonly #waitingMax: number
  readonly #faultsUntil: VirtualTime | null
  readonly #flights = new PriorityQueue<Flight>((a, b) => a.at - b.at || a.order - b.order)
  readonly #handlers = new Map<string, Handler>()
  /** Messages under way to each address. */
  readonly #waiting = new Map<string, number>()
  #now: VirtualTime = TIME_ZERO
  #order = 0
  readonly #codec: SimulatedCodec
  readonly #payloadBytesMax: number
  readonly #counts = { delivered: 0, dropped: 0, refused: 0 }

  constructor(options: SimulatedBusOptions) {
    this.#latency = options.latency ?? LATENCY_CYCLES_DEFAULT
    assert(Number.isSafeInteger(this.#latency) && this.#latency >= 1, "simulated bus: latency is a whole number of cycles, at least 1")
    this.#waitingMax = options.waitingMax ?? WAITING_MAX_DEFAULT
    this.#codec = options.codec ?? PLAIN_CODEC
    this.#payloadBytesMax = options.payloadBytesMax ?? PAYLOAD_BYTES_MAX_DEFAULT
    this.#faultsUntil = options.faults?.until ?? null
    this.#network = new Network({
      latency: this.#latency,
      faults: options.faults ?? null,
      random: new Random(options.seed).fork("network"),
    })
  }

  get now(): VirtualTime {
    return this.#now
  }

  /** For partitions, cuts and clogs. */
  get network(): Network {
    return this.#network
  }

  get counts(): SimulatedBusCounts {
    return { ...this.#counts }
  }

  /** Messages under way. */
  get underWay(): number {
    return this.#flights.length
  }

  publish(envelope: Envelope): void {
    const text = this.#textOf(envelope.body)
    if (text === null) {
      this.#counts.refused++
      return
    }
    const arrivals = this.#network.isExact ? [after(this.#now, this.#latency)] : this.#network.route(this.#now, envelope.from, envelope.to)
    const address = addressOf(envelope.machine, envelope.to)
    for (const at of arrivals) {
      const waiting = this.#waiting.get(address) ?? 0
      if (waiting >= this.#waitingMax) {
        this.#counts.dropped++
        continue
      }
      this.#waiting.set(address, waiting + 1)
      this.#flights.push({ at, order: this.#order++, address, envelope, text })
    }
  }

  subscribe(machine: string, actor: ActorId, handler: Handler): () => void {
    const address = addressOf(machine, actor)
    assert(!this.#handlers.has(address), `simulated bus: ${address} has one handler`)
    this.#handlers.set(address, handler)
    return () => {
      if (this.#handlers.get(address) === handler) this.#handlers.delete(address)
    }
  }

  /** Moves the clock by `cycles` and delivers what is due on the way, answers that come due in that time included. */
  advance(cycles: number): void {
    const end = after(this.#now, cycles)
    for (let flight = this.#flights.peek(); flight !== undefined && flight.at <= end; flight = this.#flights.peek()) {
      this.#flights.pop()
      this.#passTo(flight.at)
      const waiting = this.#waiting.get(flight.address) ?? 0
      if (waiting > 1) this.#waiting.set(flight.address, waiting - 1)
      else this.#waiting.delete(flight.address)
      this.#deliver(flight)
    }
    this.#passTo(end)
  }

  #deliver(flight: Flight): void {
    const handler = this.#handlers.get(flight.address)
    if (handler === undefined) return
    this.#counts.delivered++
    handler({ ...flight.envelope, body: this.#codec.decode(JSON.parse(flight.text) as Json) })
  }

  /** Null where no wire would carry it. */
  #textOf(body: Body): string | null {
    try {
      const text = JSON.stringify(this.#codec.encode(body))
      return Buffer.byteLength(text) <= this.#payloadBytesMax ? text : null
    } catch {
      return null
    }
  }

  #passTo(time: VirtualTime): void {
    if (time > this.#now) this.#now = time
    if (this.#faultsUntil !== null && this.#now >= this.#faultsUntil) this.#network.endFaults()
  }
}

function addressOf(machine: string, actor: ActorId): string {
  return `${machine}/${actor}`
}
