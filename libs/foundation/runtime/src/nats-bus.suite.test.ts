/** The bus laws over a real nats-server: two connections, and the routed bus of a service process. */
import { actorId } from "@backplane/foundation-actor/actor-id"
import { startNatsServer, type RunningServer } from "@backplane/nats/start-server"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { LocalBus } from "./local-bus.ts"
import { NatsBus } from "./nats-bus.ts"
import { RoutedBus } from "./routed-bus.ts"
import { MemorySink } from "./sinks.ts"
import { subjectOf } from "./subjects.ts"
import { busSuite, type BusWorld } from "./suite/bus-suite.ts"

let server: RunningServer
beforeAll(async () => {
  server = await startNatsServer({ unrestrictedUsers: ["test"] })
})
afterAll(() => server.stop())

function connection(): Promise<NatsConnection> {
  return connect({ servers: server.url, user: "test", pass: server.credentials.get("test") ?? "" })
}

/** A PING and its PONG in both connections, twice: what was published before has been delivered. */
async function settle(connections: readonly NatsConnection[]): Promise<void> {
  for (let round = 0; round < 2; round++) {
    for (const each of connections) await each.flush()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

async function overNats(): Promise<BusWorld> {
  const connections = [await connection(), await connection()] as const
  const [left, right] = connections.map((each) => new NatsBus({ connection: each, events: new MemorySink() })) as [NatsBus, NatsBus]
  return {
    left,
    right,
    settle: () => settle(connections),
    inject: (machine, to, from, bytes) => connections[0].publish(subjectOf(machine, to, from), bytes),
    problems: (problem) => left.counts[problem] + right.counts[problem],
    payloadBytesMax: connections[0].info?.max_payload ?? 0,
    close: async () => {
      for (const each of connections) await each.close()
    },
  }
}

async function routed(): Promise<BusWorld> {
  const only = await connection()
  const far = new NatsBus({ connection: only, events: new MemorySink() })
  const local = new LocalBus({ events: new MemorySink() })
  const bus = new RoutedBus(local, far)
  return {
    left: bus,
    right: bus,
    settle: async () => {
      for (let turn = 0; turn < 4; turn++) await settle([only])
    },
    inject: (machine, to, from, bytes) => only.publish(subjectOf(machine, to, from), bytes),
    problems: (problem) => local.counts[problem] + far.counts[problem],
    payloadBytesMax: only.info?.max_payload ?? 0,
    close: () => only.close(),
  }
}

busSuite("nats", overNats)
busSuite("routed", routed)

describe("nats bus", () => {
  it("a lone message is plain JSON with headers; a burst is one frame to who reads frames, plain messages to all others", async () => {
    const raw = await connection()
    const seen: { text: string; traceparent: string | undefined; at: string | undefined }[] = []
    raw.subscribe("bp.m.scheduler.>", {
      callback: (_, message) =>
        void seen.push({ text: message.string(), traceparent: message.headers?.get("traceparent"), at: message.headers?.get("Bp-At") }),
    })
    await raw.flush()
    const world = await overNats()
    const from = actorId("node.0")
    const to = actorId("scheduler.1")
    const heard: unknown[] = []
    world.left.subscribe("m", from, (envelope) => heard.push(envelope.body))
    const trace = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", sampled: true }
    world.left.publish({ machine: "m", from, to, body: { kind: "Lone" }, trace })
    await world.settle()
    await raw.flush()
    expect(seen).toEqual([{ text: ' {"kind":"Lone"}', traceparent: `00-${trace.traceId}-${trace.spanId}-01`, at: "" }])
    const burst = async (count: number): Promise<number> => {
      seen.length = 0
      for (let number = 0; number < count; number++) world.left.publish({ machine: "m", from, to, body: { kind: "Many" } })
      await world.settle()
      await raw.flush()
      return seen.length
    }
    expect(await burst(10)).toBe(10)
    world.right.publish({ machine: "m", from: to, to: from, body: { kind: "Ours" } })
    await world.settle()
    expect(await burst(1000)).toBe(1)
    // The receiver is swapped for one in another language: as soon as it speaks, it gets what it can read.
    raw.publish(subjectOf("m", from, to), '{"kind":"Foreign"}')
    await raw.flush()
    await world.settle()
    expect(await burst(10)).toBe(10)
    expect(seen.every(({ text }) => text === ' {"kind":"Many"}')).toBe(true)
    expect(heard).toEqual([{ kind: "Ours" }, { kind: "Foreign" }])
    await world.close()
    await raw.close()
  })

  it("while the server is away messages are dropped and counted, and after it is back they flow again", async () => {
    const own = await startNatsServer({ unrestrictedUsers: ["test"] })
    const client = await connect({
      servers: own.url,
      user: "test",
      pass: own.credentials.get("test") ?? "",
      maxReconnectAttempts: -1,
      reconnectTimeWait: 20,
    })
    const bus = new NatsBus({ connection: client, events: new MemorySink() })
    const from = actorId("node.0")
    const seen = (wanted: string): Promise<void> =>
      new Promise<void>((resolve) => {
        void (async () => {
          for await (const status of client.status()) if (status.type === wanted) return resolve()
        })()
      })
    const gone = seen("disconnect")
    const back = seen("reconnect")
    await own.stop()
    await gone
    for (let count = 0; count < 40; count++)
      bus.publish({ machine: "m", from, to: from, body: { kind: "Big", data: "x".repeat(100_000) } as { kind: string } })
    bus.flush()
    expect(bus.counts.dropped).toBeGreaterThan(20)
    const again = await startNatsServer({ unrestrictedUsers: ["test"], credentials: own.credentials, port: own.port })
    const heard = new Promise<void>((resolve) => bus.subscribe("m", from, (envelope) => envelope.body.kind === "After" && resolve()))
    await back
    await client.flush()
    bus.publish({ machine: "m", from, to: from, body: { kind: "After" } })
    await heard
    await client.close()
    await again.stop()
  })
})
