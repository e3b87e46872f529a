/** Both ends of the bus bench: actors over NatsBus and ActorHost, and the same over the bare client. */
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Bus } from "@backplane/foundation-actor/bus"
import { send } from "@backplane/foundation-actor/effects"
import type { Body, Machine } from "@backplane/foundation-actor/machine"
import { ActorHost } from "@backplane/foundation-runtime/actor-host"
import { NatsBus } from "@backplane/foundation-runtime/nats-bus"
import { PacedClock, wallMilliseconds } from "@backplane/foundation-runtime/paced-clock"
import { RandomSpanIds } from "@backplane/foundation-runtime/random-span-ids"
import { MemorySink } from "@backplane/foundation-runtime/sinks"
import { MemoryStore } from "@backplane/foundation-runtime/store"
import type { NatsConnection } from "@nats-io/nats-core"

export const MACHINE = "bench"
export const CLIENT = actorId("client.0")
export const ECHO = actorId("echo.0")
export const COUNTER = actorId("counter.0")
export const BARE_ECHO = "bare.echo"
export const BARE_COUNT = "bare.count"
export const BARE_COUNTED = "bare.counted"
/** The counter says how many it has after each so many: bounds what is on the way. */
export const COUNTED_EVERY = 10_000

/** 64 bytes of JSON: `{"kind":"Ping","number":1234567,"text":"…"}`. */
export interface Ping extends Body {
  readonly kind: "Ping"
  readonly number: number
  readonly text: string
}

export function ping(number: number): Ping {
  return { kind: "Ping", number: 1_000_000 + number, text: "0123456789abcdef0123" }
}

export function busOver(connection: NatsConnection): NatsBus {
  return new NatsBus({ connection, events: new MemorySink() })
}

export function hostOver(bus: Bus): ActorHost {
  const sink = new MemorySink()
  return new ActorHost({
    machineName: MACHINE,
    bus,
    clock: new PacedClock({ cyclesPerSecond: 1_000_000_000, originMilliseconds: wallMilliseconds() }),
    store: new MemoryStore(),
    events: sink,
    spans: sink,
    spanIds: new RandomSpanIds(),
    onFatal: (error) => {
      throw error
    },
  })
}

/** Answers every message with itself. */
export function echo(): Machine {
  return { start: () => [], step: (_now, input) => (input.kind === "message" ? [send(input.from, input.body)] : []) }
}

/** Keeps `window` requests on the way until `total` are answered. */
export function requester(options: { readonly total: number; readonly window: number; readonly done: () => void }): Machine {
  let asked = 0
  let answered = 0
  const ask = (): ReturnType<typeof send<Ping>> => send(ECHO, ping(asked++))
  return {
    start: () => Array.from({ length: Math.min(options.window, options.total) }, ask),
    step: () => {
      answered++
      if (answered === options.total) options.done()
      return asked < options.total ? [ask()] : []
    },
  }
}
