/** The suite on the simulated bus, and on buses with planted bugs, each of which it must catch. */
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Bus } from "@backplane/foundation-actor/bus"
import type { Envelope } from "@backplane/foundation-actor/envelope"
import { SimulatedBus } from "@backplane/foundation-simulation/simulated-bus"
import { describe, expect, it } from "vitest"
import { LocalBus } from "./local-bus.ts"
import { MemorySink } from "./sinks.ts"
import { brokenBusLaws, busSuite, type BusLaw, type BusWorld } from "./suite/bus-suite.ts"

function simulated(): Promise<BusWorld> {
  const bus = new SimulatedBus({ seed: 1, payloadBytesMax: 100_000 })
  return Promise.resolve({
    left: bus,
    right: bus,
    settle: () => Promise.resolve(void bus.advance(10_000)),
    inject: null,
    problems: (problem) => (problem === "oversize" ? bus.counts.refused : 0),
    payloadBytesMax: 100_000,
    close: () => Promise.resolve(),
  })
}

busSuite("simulated", simulated, [
  { law: "malformed", why: "a simulated bus has no bytes to inject" },
  { law: "raw bytes", why: "in simulation everything is text, so that a conversation can be read; its actors say base64" },
])

/** A good bus behind a spoiler. */
function spoilt(spoil: (bus: Bus) => Partial<Bus>): () => Promise<BusWorld> {
  return () => {
    const local = new LocalBus({ events: new MemorySink(), payloadBytesMax: 100_000 })
    const good: Bus = { publish: (envelope) => local.publish(envelope), subscribe: (...given) => local.subscribe(...given) }
    const bus = { ...good, ...spoil(good) }
    const settle = async (): Promise<void> => {
      for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
    return Promise.resolve({
      left: bus,
      right: bus,
      settle,
      inject: null,
      problems: (problem) => local.counts[problem],
      payloadBytesMax: 100_000,
      close: () => Promise.resolve(),
    })
  }
}

let held: Envelope | null = null
let published = 0
const PLANTED: readonly { readonly bug: string; readonly breaks: BusLaw; readonly spoil: (bus: Bus) => Partial<Bus> }[] = [
  {
    bug: "swaps neighbours",
    breaks: "order",
    spoil: (bus) => ({
      publish: (envelope) => {
        const before = held
        held = before === null ? envelope : null
        if (before !== null) for (const each of [envelope, before]) bus.publish(each)
        else queueMicrotask(() => held === envelope && (bus.publish(envelope), (held = null)))
      },
    }),
  },
  {
    bug: "loses every seventh",
    breaks: "burst",
    spoil: (bus) => ({ publish: (envelope) => ++published % 7 !== 0 && bus.publish(envelope) }),
  },
  { bug: "delivers twice", breaks: "order", spoil: (bus) => ({ publish: (envelope) => [0, 1].forEach(() => bus.publish(envelope)) }) },
  {
    bug: "forgets the machine",
    breaks: "addressing",
    spoil: (bus) => ({ publish: (envelope) => bus.publish({ ...envelope, machine: "m" }) }),
  },
  {
    bug: "cuts the receiver's name short",
    breaks: "addressing",
    spoil: (bus) => ({
      publish: (envelope) =>
        bus.publish({ ...envelope, to: envelope.to === "scheduler.cpu-10" ? actorId("scheduler.cpu-1") : envelope.to }),
    }),
  },
  { bug: "loses the stamp", breaks: "carried", spoil: (bus) => ({ publish: ({ stamp: _, ...rest }) => bus.publish(rest) }) },
  {
    bug: "samples everything",
    breaks: "carried",
    spoil: (bus) => ({
      publish: (envelope) =>
        bus.publish(envelope.trace === undefined ? envelope : { ...envelope, trace: { ...envelope.trace, sampled: true } }),
    }),
  },
  {
    bug: "never unsubscribes",
    breaks: "unsubscribe",
    spoil: (bus) => ({ subscribe: (...given) => (bus.subscribe(...given), () => undefined) }),
  },
  {
    bug: "throws when nobody listens",
    breaks: "nobody",
    spoil: (bus) => ({
      publish: (envelope) => {
        if (envelope.to === "nobody.0") throw new Error("no responders")
        bus.publish(envelope)
      },
    }),
  },
  {
    bug: "throws where it should refuse",
    breaks: "not JSON",
    spoil: (bus) => ({
      publish: (envelope) => {
        JSON.stringify(envelope.body)
        bus.publish(envelope)
      },
    }),
  },
]

describe("the bus suite catches planted bugs", () => {
  for (const { bug, breaks, spoil } of PLANTED) {
    it(`a bus that ${bug} breaks "${breaks}"`, async () => {
      expect(await brokenBusLaws(spoilt(spoil))).toContain(breaks)
    })
  }

  it("and none in a good bus, but for the bytes that it has not", async () => {
    expect(await brokenBusLaws(spoilt(() => ({})))).toEqual(["malformed"])
  })
})
