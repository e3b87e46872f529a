/** The bus laws over links, before, while and after they come up; and what only links promise. */
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Body } from "@backplane/foundation-actor/machine"
import { startNatsServer, type RunningServer } from "@backplane/nats/start-server"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { plainCodec, type BodyCodec } from "../body-codec.ts"
import { NatsBus } from "../nats-bus.ts"
import { MemorySink } from "../sinks.ts"
import { subjectOf } from "../subjects.ts"
import { busSuite, type BusWorld } from "../suite/bus-suite.ts"
import { LinkBus } from "./link-bus.ts"
import { abstractPath } from "./link-place.ts"
import { withLinks } from "./link-protocol.ts"

const LEFT = actorId("node.0")
const RIGHT = actorId("scheduler.cpu-1")
const TRIES_MAX = 2_000

let server: RunningServer
beforeAll(async () => {
  server = await startNatsServer({ unrestrictedUsers: ["test"] })
})
afterAll(() => server.stop())

function connection(): Promise<NatsConnection> {
  return connect({ servers: server.url, user: "test", pass: server.credentials.get("test") ?? "" })
}

interface LinkedWorld extends BusWorld {
  readonly left: LinkBus
  readonly right: LinkBus
}

interface LinkedOptions {
  /** What one of the two says instead, over the bus. */
  readonly said?: (body: Body) => Body
  readonly between?: () => boolean
  /** Of the two, in this order. */
  readonly codecs?: readonly [BodyCodec, BodyCodec]
}

/** Packs what has a number, and tells `seen` of each. */
function packing(seen: (what: "packed" | "unpacked") => void): BodyCodec {
  return {
    ...plainCodec,
    packer: {
      pack: (body, writer) => {
        if (body.kind !== "Numbered") return false
        seen("packed")
        writer.whole((body as Body & { readonly number: number }).number)
        return true
      },
      unpack: (reader) => {
        seen("unpacked")
        return { kind: "Numbered", number: reader.whole() } as Body
      },
    },
  }
}

async function linked({
  said = (body) => body,
  between = () => true,
  codecs = [plainCodec, plainCodec],
}: LinkedOptions = {}): Promise<LinkedWorld> {
  const connections = [await connection(), await connection()] as const
  const codec = withLinks(plainCodec)
  const far = connections.map(
    (each) => new NatsBus({ connection: each, events: new MemorySink(), codec: { ...codec, encode: (body) => codec.encode(said(body)) } }),
  )
  const [left, right] = far.map(
    (each, index) => new LinkBus({ far: each, codec: codecs[index] ?? plainCodec, events: new MemorySink(), between }),
  ) as [LinkBus, LinkBus]
  const all = (pick: "sent" | "received" | "malformed" | "rejected"): number => left.counts[pick] + right.counts[pick]
  const settle = async (): Promise<void> => {
    for (let round = 0; round < 3; round++) {
      for (const each of connections) await each.flush()
      await new Promise((resolve) => setTimeout(resolve, 1))
      for (let tries = 0; tries < TRIES_MAX && all("sent") > all("received") + all("malformed") + all("rejected"); tries++)
        await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }
  return {
    left,
    right,
    settle,
    inject: (machine, to, from, bytes) => connections[0].publish(subjectOf(machine, to, from), bytes),
    problems: (problem) => [...far, left, right].reduce((sum, { counts }) => sum + counts[problem], 0),
    payloadBytesMax: connections[0].info?.max_payload ?? 0,
    close: async () => {
      left.close()
      right.close()
      for (const each of connections) await each.close()
    },
  }
}

/** Says something until both ends have a link. */
async function untilLinked({ left, right, settle }: LinkedWorld): Promise<void> {
  for (let tries = 0; tries < TRIES_MAX && left.links + right.links < 2; tries++) {
    left.publish({ machine: "m", from: LEFT, to: RIGHT, body: { kind: "Hello" } })
    await settle()
  }
  expect([left.links, right.links]).toEqual([1, 1])
}

busSuite("links that come up", () => linked())
busSuite("links between those who pack bodies", () => linked({ codecs: [packing(() => undefined), packing(() => undefined)] }))
// One law a run that begins with a link between the two actors that the laws use; the suite subscribes after that, so the pair is made anew.
describe("links", () => {
  it("a pair that talks gets a link, both ways; what it says then goes over no bus", async () => {
    const world = await linked()
    const heard: Body[] = []
    world.left.subscribe("m", LEFT, ({ body }) => heard.push(body))
    world.right.subscribe("m", RIGHT, ({ body }) => heard.push(body))
    await world.settle()
    await untilLinked(world)
    heard.length = 0
    const before = world.right.counts.received
    for (let number = 0; number < 100; number++)
      world.left.publish({ machine: "m", from: LEFT, to: RIGHT, body: { kind: "Numbered", number } as Body })
    world.right.publish({ machine: "m", from: RIGHT, to: LEFT, body: { kind: "Back" } })
    await world.settle()
    expect(heard.filter(({ kind }) => kind === "Numbered")).toEqual(
      Array.from({ length: 100 }, (_, number) => ({ kind: "Numbered", number })),
    )
    expect(heard).toContainEqual({ kind: "Back" })
    expect(world.right.counts.received - before).toBe(100)
    await world.close()
  })

  it.each([
    ["both pack", true, true],
    ["one packs", true, false],
    ["the other packs", false, true],
  ])("where %s, bodies go as bytes to whoever has said that it reads them, and to nobody else", async (_who, leftPacks, rightPacks) => {
    const seen = { left: [] as string[], right: [] as string[] }
    const codecs = [
      leftPacks ? packing((what) => seen.left.push(what)) : plainCodec,
      rightPacks ? packing((what) => seen.right.push(what)) : plainCodec,
    ] as const
    const world = await linked({ codecs })
    const heard: Body[] = []
    world.left.subscribe("m", LEFT, () => undefined)
    world.right.subscribe("m", RIGHT, ({ body }) => heard.push(body))
    await world.settle()
    await untilLinked(world)
    const say = async (number: number): Promise<void> => {
      world.left.publish({ machine: "m", from: LEFT, to: RIGHT, body: { kind: "Numbered", number } as Body })
      await world.settle()
    }
    await say(1)
    // Nothing has been heard of the other side over the link yet.
    expect(seen).toEqual({ left: [], right: [] })
    world.right.publish({ machine: "m", from: RIGHT, to: LEFT, body: { kind: "Back" } })
    await world.settle()
    await say(2)
    await say(300)
    const isPacked = leftPacks && rightPacks
    expect(seen).toEqual(isPacked ? { left: ["packed", "packed"], right: ["unpacked", "unpacked"] } : { left: [], right: [] })
    expect(heard.filter(({ kind }) => kind === "Numbered")).toEqual([1, 2, 300].map((number) => ({ kind: "Numbered", number })))
    await world.close()
  })

  it("where the socket with a name cannot be reached, the port is taken", async () => {
    const world = await linked({ said: (body) => (body.kind === "LinkPlace" ? ({ ...body, path: "nobody-there" } as Body) : body) })
    const heard: Body[] = []
    world.left.subscribe("m", LEFT, ({ body }) => heard.push(body))
    world.right.subscribe("m", RIGHT, ({ body }) => heard.push(body))
    await world.settle()
    await untilLinked(world)
    const before = world.right.counts.received
    world.left.publish({ machine: "m", from: LEFT, to: RIGHT, body: { kind: "OverThePort" } })
    await world.settle()
    expect(heard).toContainEqual({ kind: "OverThePort" })
    expect(world.right.counts.received - before).toBe(1)
    await world.close()
  })

  it("a pair that may have none talks over the bus alone, and takes no offer", async () => {
    const world = await linked({ between: () => false })
    const heard: Body[] = []
    world.right.subscribe("m", RIGHT, ({ body }) => heard.push(body))
    world.left.subscribe("m", LEFT, () => undefined)
    await world.settle()
    for (let number = 0; number < 20; number++) {
      world.left.publish({ machine: "m", from: LEFT, to: RIGHT, body: { kind: "Numbered", number } as Body })
      await world.settle()
    }
    // As one who has links would.
    world.inject?.("m", RIGHT, LEFT, Buffer.from(JSON.stringify({ kind: "LinkOffer", token: "a".repeat(32) })))
    await world.settle()
    expect(heard).toEqual(Array.from({ length: 20 }, (_, number) => ({ kind: "Numbered", number })))
    expect([world.left.links, world.right.links]).toEqual([0, 0])
    await world.close()
  })

  it("order is kept and nothing comes twice while links come and break under load, and it flows again after the last break", async () => {
    const world = await linked()
    const heard = new Map<string, number[]>([LEFT, RIGHT].map((actor) => [actor, []]))
    world.left.subscribe("m", LEFT, ({ to, body }) => heard.get(to)?.push((body as Body & { number: number }).number))
    world.right.subscribe("m", RIGHT, ({ to, body }) => heard.get(to)?.push((body as Body & { number: number }).number))
    await world.settle()
    let breaks = 0
    let number = 0
    for (; number < 4_000; number++) {
      const body = { kind: "Numbered", number } as Body
      world.left.publish({ machine: "m", from: LEFT, to: RIGHT, body })
      world.right.publish({ machine: "m", from: RIGHT, to: LEFT, body })
      if (number % 7 === 0) await new Promise((resolve) => setImmediate(resolve))
      if (number % 40 === 0) await new Promise((resolve) => setTimeout(resolve, 4))
      if (number % 500 === 499 && world.left.links + world.right.links === 2) {
        breaks++
        ;(number % 1000 === 999 ? world.left : world.right).breakLinks()
        await new Promise((resolve) => setTimeout(resolve, 260))
      }
    }
    world.left.publish({ machine: "m", from: LEFT, to: RIGHT, body: { kind: "Numbered", number } as Body })
    await new Promise((resolve) => setTimeout(resolve, 20))
    await world.settle()
    expect(breaks).toBeGreaterThan(2)
    for (const numbers of heard.values()) {
      expect(numbers.every((each, index) => index === 0 || each > (numbers[index - 1] ?? 0))).toBe(true)
      expect(numbers.length).toBeGreaterThan(2_000)
    }
    expect(heard.get(RIGHT)?.at(-1)).toBe(number)
    await world.close()
  })

  it("who does not show the token of an offer is cut off, and a peer that sends no frame too", async () => {
    const world = await linked()
    const places: { readonly port: number; readonly path?: string }[] = []
    world.left.subscribe("m", LEFT, () => undefined)
    const spy = await connection()
    spy.subscribe(`bp.m.${RIGHT}.>`, {
      callback: (_, message) => {
        const text = message.string().trim()
        if (text.includes("LinkPlace")) places.push(JSON.parse(text) as { port: number; path?: string })
      },
    })
    await spy.flush()
    // An offer in RIGHT's name, which only RIGHT may publish: here the test may.
    spy.publish(subjectOf("m", LEFT, RIGHT), JSON.stringify({ kind: "LinkOffer", token: "a".repeat(32) }))
    for (let tries = 0; tries < TRIES_MAX && places.length === 0; tries++) await world.settle()
    const { port = 0, path } = places[0] ?? {}
    expect(path === undefined).toBe(process.platform !== "linux")
    for (const way of path === undefined ? [{ port }] : [{ port }, { path: abstractPath(path) }]) {
      expect(await closedAfter(way, "b".repeat(32))).toBe(true)
      expect(world.left.links).toBe(0)
    }
    expect(await closedAfter({ port }, "a".repeat(32), Buffer.from([255, 255, 255, 255, 1]))).toBe(true)
    expect(world.left.links).toBe(0)
    await spy.close()
    await world.close()
  })
})

async function closedAfter(
  way: { readonly port: number } | { readonly path: string },
  ...said: readonly (string | Buffer)[]
): Promise<boolean> {
  const { connect: dial } = await import("node:net")
  const socket = dial({ host: "127.0.0.1", ...way })
  socket.on("error", () => undefined)
  for (const each of said) socket.write(each)
  return new Promise((resolve) => {
    socket.once("close", () => resolve(true))
    socket.resume()
  })
}
