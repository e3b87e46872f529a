import { actorId } from "@backplane/foundation-actor/actor-id"
import { describe, expect, it } from "vitest"
import { LocalBus } from "./local-bus.ts"
import { MemorySink } from "./sinks.ts"
import { busSuite } from "./suite/bus-suite.ts"

async function turns(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve))
}

busSuite(
  "local",
  () => {
    const bus = new LocalBus({ events: new MemorySink(), payloadBytesMax: 100_000 })
    return Promise.resolve({
      left: bus,
      right: bus,
      settle: turns,
      inject: null,
      problems: (problem) => bus.counts[problem],
      payloadBytesMax: 100_000,
      close: () => Promise.resolve(),
    })
  },
  [{ law: "malformed", why: "a local bus has no bytes to inject" }],
)

describe("local bus", () => {
  it("a full queue drops the newest, counts it and says so once a second per kind, at most 32 times", async () => {
    const sink = new MemorySink()
    const bus = new LocalBus({ events: sink, queueMax: 10 })
    const to = actorId("node.1")
    let heard = 0
    bus.subscribe("m", to, () => heard++)
    for (let count = 0; count < 100; count++) bus.publish({ machine: "m", from: actorId("node.0"), to, body: { kind: "Ping" } })
    await turns()
    expect(heard).toBe(10)
    expect(bus.counts.dropped).toBe(90)
    expect(sink.events.length).toBeLessThanOrEqual(64)
    expect([...sink.events][0]).toMatchObject({ name: "bus.dropped", level: "warn", fields: { field: "queue" } })
  })

  it("receivers share no objects with the sender", async () => {
    const bus = new LocalBus({ events: new MemorySink() })
    const to = actorId("node.1")
    const body = { kind: "Ping", list: [1] }
    let got: unknown
    bus.subscribe("m", to, (envelope) => (got = envelope.body))
    bus.publish({ machine: "m", from: actorId("node.0"), to, body })
    body.list.push(2)
    await turns()
    expect(got).toEqual({ kind: "Ping", list: [1] })
  })
})
