/**
 * The simulated network behind the `Bus` interface: for what speaks to a bus rather than to a world, and for the suite that
 * all buses pass. Nothing moves by itself: `advance` moves the clock and delivers what is due.
 */
import { assert } from "@backplane/foundation-base/assert"
import { PriorityQueue } from "@backplane/foundation-base/priority-queue"
import { Random } from "@backplane/foundation-base/random"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Bus } from "@backplane/foundation-actor/bus"
import type { Envelope } from "@backplane/foundation-actor/envelope"
import { after, TIME_ZERO, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { deepFreeze } from "./deep-freeze.ts"
import type { FaultPlan } from "./fault-plan.ts"
import { Network } from "./network.ts"
import { LATENCY_CYCLES_DEFAULT } from "./world-options.ts"

export interface SimulatedBusOptions {
  readonly seed: number
  /** Cycles that a message takes; at least 1. */
  readonly latency?: number
  /** Its message faults only: a bus has no actors to crash. */
  readonly faults?: FaultPlan
  /** Messages under way to one actor; what comes beyond is dropped and counted. */
  readonly waitingMax?: number
}

interface Flight {
  readonly at: VirtualTime
  /** Place in the order of publishing: later ones of one time come later. */
  readonly order: number
  readonly address: string
  readonly envelope: Envelope
}

type Handler = (envelope: Envelope) => void

const WAITING_MAX_DEFAULT = 100_000

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
  #dropped = 0

  constructor(options: SimulatedBusOptions) {
    this.#latency = options.latency ?? LATENCY_CYCLES_DEFAULT
    assert(Number.isSafeInteger(this.#latency) && this.#latency >= 1, "simulated bus: latency is a whole number of cycles, at least 1")
    this.#waitingMax = options.waitingMax ?? WAITING_MAX_DEFAULT
    this.#faultsUntil = options.faults?.until ?? null
    this.#network = new Network({ latency: this.#latency, faults: options.faults ?? null, random: new Random(options.seed).fork("network") })
  }

  get now(): VirtualTime {
    return this.#now
  }

  /** For partitions, cuts and clogs. */
  get network(): Network {
    return this.#network
  }

  /** Messages dropped because too many were under way to their receiver. */
  get dropped(): number {
    return this.#dropped
  }

  /** Messages under way. */
  get underWay(): number {
    return this.#flights.length
  }

  publish(envelope: Envelope): void {
    const frozen = deepFreeze(envelope)
    const arrivals = this.#network.isExact ? [after(this.#now, this.#latency)] : this.#network.route(this.#now, envelope.from, envelope.to)
    const address = addressOf(envelope.machine, envelope.to)
    for (const at of arrivals) {
      const waiting = this.#waiting.get(address) ?? 0
      if (waiting >= this.#waitingMax) {
        this.#dropped++
        continue
      }
      this.#waiting.set(address, waiting + 1)
      this.#flights.push({ at, order: this.#order++, address, envelope: frozen })
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
      this.#handlers.get(flight.address)?.(flight.envelope)
    }
    this.#passTo(end)
  }

  #passTo(time: VirtualTime): void {
    if (time > this.#now) this.#now = time
    if (this.#faultsUntil !== null && this.#now >= this.#faultsUntil) this.#network.endFaults()
  }
}

function addressOf(machine: string, actor: ActorId): string {
  return `${machine}/${actor}`
}
