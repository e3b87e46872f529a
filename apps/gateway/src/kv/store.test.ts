/** The HTTP API of the store on three replicas, over a real nats-server, in one process. */
import { serve, type ServerType } from "@hono/node-server"
import { Hono } from "hono"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Machine } from "@backplane/foundation-actor/machine"
import { ActorHost } from "@backplane/foundation-runtime/actor-host"
import { NatsBus } from "@backplane/foundation-runtime/nats-bus"
import { PacedClock } from "@backplane/foundation-runtime/paced-clock"
import { RandomSpanIds } from "@backplane/foundation-runtime/random-span-ids"
import { MemorySink } from "@backplane/foundation-runtime/sinks"
import { MemoryStore } from "@backplane/foundation-runtime/store"
import { FIRST_BUCKETS } from "@backplane/kv-contract/first-buckets"
import { WIRE_VERSION } from "@backplane/kv-contract/forms"
import { VALUE_LENGTH_MAX } from "@backplane/kv-contract/limits"
import { ReplicaMachine } from "@backplane/kv-replica/replica"
import { partitionMap } from "@backplane/kv-replication/partition-map"
import { startNatsServer, type RunningServer } from "@backplane/nats/start-server"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"
import { SCOPES, type Access } from "../access.ts"
import { Problem, problemResponse } from "../problem.ts"
import { API, openApi } from "./openapi.ts"
import { storeRoutes } from "./routes-store.ts"
import { StoreAccess } from "./store-access.ts"
import { StoreDoor } from "./store-door.ts"

const IDS = [0, 1, 2].map((index) => actorId(`replica.${index}`))
let server: RunningServer
const EVERYBODY: Access = { anonymous: SCOPES, tokens: new Map() }
const connections: NatsConnection[] = []
const hosts: ActorHost[] = []
const servers: ServerType[] = []
let url: string
let secondUrl: string
let access: StoreAccess

async function connection(): Promise<NatsConnection> {
  const made = await connect({ servers: server.url, user: "test", pass: server.credentials.get("test") ?? "" })
  connections.push(made)
  return made
}

async function replicaHost(): Promise<ActorHost> {
  const sink = new MemorySink()
  const host = new ActorHost({
    machineName: "store",
    bus: new NatsBus({ connection: await connection(), events: sink, codec: new MessageCodec() }),
    clock: new PacedClock({ cyclesPerSecond: 1_000_000, originMilliseconds: 0 }),
    store: new MemoryStore(),
    events: sink,
    spans: sink,
    spanIds: new RandomSpanIds(),
    onFatal: (error) => {
      throw error
    },
  })
  hosts.push(host)
  return host
}

async function gateway(
  name: string,
  who: Access = EVERYBODY,
  bus?: NatsConnection,
): Promise<{ url: string; access: StoreAccess; door: StoreDoor }> {
  const store = new StoreAccess({ connection: bus ?? (await connection()), events: new MemorySink(), size: { shards: 3, zones: 1 }, name })
  const door = new StoreDoor({ access: who, store: () => store, telemetry: () => null })
  const app = new Hono().route("/", storeRoutes(door))
  app.onError((error) => (error instanceof Problem ? problemResponse(error) : new Response(String(error.stack), { status: 500 })))
  const listening = await new Promise<ServerType>((resolve) => {
    const made = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0, overrideGlobalObjects: false }, () => resolve(made))
  })
  servers.push(listening)
  const address = listening.address()
  return { url: `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`, access: store, door }
}

beforeAll(async () => {
  server = await startNatsServer({ unrestrictedUsers: ["test"] })
  const map = partitionMap(IDS.map((id) => ({ id, zone: "zone-0" })))
  const timings = { election: 100_000, heartbeat: 30_000, retry: 30_000 }
  for (const id of IDS)
    await (
      await replicaHost()
    ).add({ actor: id, epoch: 1, machine: new ReplicaMachine({ id, map, buckets: FIRST_BUCKETS, timings }) as Machine })
  ;({ url, access } = await gateway("0"))
  ;({ url: secondUrl } = await gateway("1"))
}, 30_000)

afterAll(async () => {
  for (const each of servers) each.close()
  for (const host of hosts) host.stop("the test is over")
  for (const each of connections) await each.close()
  await server.stop()
}, 30_000)

const ask = (path: string, init: RequestInit = {}, base = url): Promise<Response> => fetch(base + path, init)
const put = (
  path: string,
  body: string,
  headers: Record<string, string> = {},
  base = url,
  signal: AbortSignal | null = null,
): Promise<Response> => ask(path, { method: "PUT", body, headers, signal }, base)
const coded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url")
const post = (path: string, body: object): Promise<Response> => ask(path, { method: "POST", body: JSON.stringify(body) })

/** Throws where it does not come in five seconds: the request itself waits for ten. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await isSo()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error("it did not come in five seconds")
}

describe("keys over HTTP", () => {
  it("a value comes back with its context; the write that saw it replaces it, one that did not stays beside it", async () => {
    expect((await put("/v1/kv/default/a", "one")).status).toBe(200)
    const read = await ask("/v1/kv/default/a")
    expect(await read.text()).toBe("one")
    expect(read.headers.get("kv-replicas")).toBe("2")
    const etag = read.headers.get("etag") ?? ""
    expect((await put("/v1/kv/default/a", "two", { "if-match": etag })).headers.get("kv-values")).toBe("1")
    expect((await put("/v1/kv/default/a", "three", { "if-match": etag })).headers.get("kv-values")).toBe("2")
    const both = await ask("/v1/kv/default/a")
    expect(both.status).toBe(300)
    const { values } = (await both.json()) as { values: string[] }
    expect(values.sort()).toEqual(["three", "two"])
    await put("/v1/kv/default/a", "merged", { "if-match": both.headers.get("etag") ?? "" })
    expect(await (await ask("/v1/kv/default/a")).text()).toBe("merged")
    await ask("/v1/kv/default/a", { method: "DELETE", headers: { "if-match": (await ask("/v1/kv/default/a")).headers.get("etag") ?? "" } })
    expect((await ask("/v1/kv/default/a")).status).toBe(404)
  })

  it("a delete without a context takes all that is there, concurrent values too; one with a context leaves what that does not cover, and says so", async () => {
    const gone = async (path: string): Promise<unknown> => {
      const answer = await ask(path, { method: "DELETE" })
      return { status: answer.status, ...((await answer.json()) as object), left: answer.headers.get("kv-values") }
    }
    const etag = (await put("/v1/kv/default/d", "one")).headers.get("etag") ?? ""
    await put("/v1/kv/default/d", "two")
    expect((await ask("/v1/kv/default/d")).status).toBe(300)
    expect(await gone("/v1/kv/default/d")).toMatchObject({ status: 200, values: [], left: "0" })
    expect((await ask("/v1/kv/default/d")).status).toBe(404)
    expect(await gone("/v1/kv/default/d")).toMatchObject({ status: 200, values: [] })

    await put("/v1/kv/default/d", "three", { "if-match": etag })
    const left = await ask("/v1/kv/default/d", { method: "DELETE", headers: { "if-match": etag } })
    expect(left.status).toBe(200)
    expect(await left.json()).toMatchObject({ values: ["three"] })
    expect(await (await ask("/v1/kv/default/d")).text()).toBe("three")

    await put("/v1/kv/last/d", "one")
    expect(await gone("/v1/kv/last/d")).toMatchObject({ status: 200, values: [] })
    expect((await ask("/v1/kv/counters/d", { method: "DELETE" })).status).toBe(409)
    expect((await ask("/v1/kv/nowhere/d", { method: "DELETE" })).status).toBe(404)
  })

  it("a key that looks encoded is another than the one it looks like", async () => {
    const names = ["x%41", "xA", "x%2541", "%", "a//b"].map((name) => [name, encodeURIComponent(name)] as const)
    for (const [name, path] of names) await put(`/v1/kv/last/${path}`, name)
    for (const [name, path] of names) expect(await (await ask(`/v1/kv/last/${path}`)).text()).toBe(name)
    const { entries } = (await (await ask("/v1/kv/last?prefix=x")).json()) as { entries: readonly { readonly key: string }[] }
    expect(entries.map(({ key }) => key)).toEqual(["x%2541", "x%41", "xA"])
  })

  it("any name of a key, and a session that holds at another gateway", async () => {
    const key = encodeURIComponent("a/b c?d%e/ö")
    const written = await put(`/v1/kv/last/${key}`, "x", { "kv-session": "new" })
    const session = written.headers.get("kv-session") ?? ""
    const read = await ask(`/v1/kv/last/${key}`, { headers: { "kv-session": session } }, secondUrl)
    expect(await read.text()).toBe("x")
    expect((await ask("/v1/kv/last?prefix=a%2Fb")).status).toBe(200)
  })

  it("a write under an idempotency key is done once, though another gateway repeats it", async () => {
    const increment = (base: string): Promise<Response> =>
      ask("/v1/kv/counters/c", { method: "POST", body: '{"op":"increment"}', headers: { "idempotency-key": "once-7" } }, base)
    const first = await increment(url)
    const [again, third] = [await increment(secondUrl), await increment(url)]
    expect([first.status, again.status, third.status]).toEqual([200, 200, 200])
    // Counted by one coordinator: the others are known to have it once it was sent to them.
    expect(((await (await ask("/v1/kv/counters/c")).json()) as { result: number }).result).toBe(1)
    const swap = (base: string): Promise<Response> =>
      ask("/v1/kv/registers/i", { method: "POST", body: '{"expect":null,"value":"1"}', headers: { "idempotency-key": "swap-7" } }, base)
    expect([(await swap(url)).status, (await swap(secondUrl)).status]).toEqual([200, 200])
  })

  it("an idempotency key that comes with another request is refused, at any gateway, and changes nothing", async () => {
    const under = { "idempotency-key": "reused-7" }
    expect((await put("/v1/kv/last/reused?w=3", "one", under)).status).toBe(200)
    for (const base of [url, secondUrl]) {
      const other = await put("/v1/kv/last/reused", "two", under, base)
      expect([other.status, await other.json()]).toMatchObject([
        422,
        { field: "Idempotency-Key", remedy: expect.stringMatching(/another/) },
      ])
      expect((await ask("/v1/kv/last/reused", { method: "DELETE", headers: under }, base)).status).toBe(422)
      expect((await put("/v1/kv/last/reused", "one", under, base)).status).toBe(200)
    }
    expect(await (await ask("/v1/kv/last/reused")).text()).toBe("one")
    const set = (value: string, base: string): Promise<Response> =>
      ask("/v1/kv/registers/reused", { method: "POST", body: JSON.stringify({ expect: null, value }), headers: under }, base)
    expect([(await set("1", url)).status, (await set("2", secondUrl)).status, (await set("1", secondUrl)).status]).toEqual([200, 422, 200])
    expect(await (await ask("/v1/kv/registers/reused")).text()).toBe("1")
  })

  it("a register is set where it holds what is expected, and says what it holds where not", async () => {
    expect((await post("/v1/kv/registers/r", { expect: null, value: "1" })).status).toBe(200)
    const refused = await post("/v1/kv/registers/r", { expect: "7", value: "2" })
    expect(refused.status).toBe(412)
    expect(await refused.json()).toMatchObject({ swapped: false, values: ["1"] })
  })

  // Its context is empty, whatever it holds: who named the tag of that was told that nothing had changed.
  it("a register has no tag, so none of before is taken for what it holds now", async () => {
    const tagOf = async (path: string): Promise<string | null> => (await ask(path)).headers.get("etag")
    expect((await post("/v1/kv/registers/tagged", { expect: null, value: "1" })).headers.get("etag")).toBeNull()
    expect(await tagOf("/v1/kv/registers/tagged")).toBeNull()
    for (const tag of ['"e30"', (await tagOf("/v1/kv/registers/absent")) ?? ""]) {
      const read = await ask("/v1/kv/registers/tagged", { headers: { "if-none-match": tag } })
      expect([read.status, await read.text()]).toEqual([200, "1"])
    }
    expect((await ask("/v1/kv/registers/tagged", { headers: { "if-none-match": "*" } })).status).toBe(304)
  })

  it("a value keeps its first character, though that be a byte order mark", async () => {
    await put("/v1/kv/last/marked", "\uFEFFx")
    expect(Buffer.from(await (await ask("/v1/kv/last/marked")).arrayBuffer()).toString("hex")).toBe("efbbbf78")
    expect((await post("/v1/kv/registers/marked", { expect: null, value: "\uFEFFx" })).status).toBe(200)
  })

  // The edge of a replica drops a whole message for a part of it that is none, and with it what others asked for in the same moment.
  it.each<[string, string, Record<string, string>, string]>([
    ["a session token with numbers in it", "a", { "kv-session": coded([1, 2]) }, "Kv-Session"],
    ["a session token with nothing in it", "a", { "kv-session": coded([null]) }, "Kv-Session"],
    ["a session token with a count below one", "a", { "kv-session": coded([["default", "a", { w: -1 }]]) }, "Kv-Session"],
    [
      "a context of too many writers",
      "a",
      { "if-match": `"${coded(Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`w${at}`, 1])))}"` },
      "If-Match",
    ],
    ["a context whose writer has no name", "a", { "if-match": `"${coded({ "": 1 })}"` }, "If-Match"],
    ["a bucket's name with a capital", "../Default/a", {}, "bucket"],
    ["a bucket's name of 65", `../${"b".repeat(65)}/a`, {}, "bucket"],
  ])("%s is refused at once, by name, and what is asked beside it is answered", async (_what, path, headers, field) => {
    const wrong = put(`/v1/kv/default/${path}`, "x", headers)
    const beside = put("/v1/kv/last/beside", "y")
    const response = await wrong
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ field })
    const answered = await beside
    expect([answered.status, await answered.text()]).toMatchObject([200, expect.stringContaining("y")])
  })

  it("scans in order, page by page, and tells what it covered", async () => {
    await Promise.all(Array.from({ length: 25 }, (_, index) => put(`/v1/kv/last/s-${String(index).padStart(2, "0")}`, String(index))))
    const keys: string[] = []
    for (let after = ""; ;) {
      const page = (await (await ask(`/v1/kv/last?prefix=s-&limit=10&after=${after}`)).json()) as {
        entries: { key: string }[]
        next: string | null
        coverage: { missing: number[] }
      }
      keys.push(...page.entries.map(({ key }) => key))
      expect(page.coverage.missing).toEqual([])
      if (page.next === null) break
      after = page.next
    }
    expect(keys).toEqual(Array.from({ length: 25 }, (_, index) => `s-${String(index).padStart(2, "0")}`))
  })

  it("a watch hears each change once, from whichever replica", async () => {
    const aborted = new AbortController()
    const response = await ask("/v1/kv/last?watch&prefix=w-", { signal: aborted.signal })
    const reader = response.body?.getReader()
    let text = ""
    const until = async (mark: string): Promise<void> => {
      for (let chunks = 0; chunks < 50 && !text.includes(mark); chunks++) text += new TextDecoder().decode((await reader?.read())?.value)
    }
    await until("open")
    await put("/v1/kv/last/w-1", "first")
    await put("/v1/kv/last/other", "unseen")
    await put("/v1/kv/last/w-2", "second")
    await until("second")
    aborted.abort()
    expect(text.match(/"key":"w-1"/g)?.length).toBe(1)
    expect(text).not.toContain("unseen")
  })

  it("makes a bucket, once; every replica knows it when the answer comes; the same again is fine, another is refused by its field", async () => {
    const made = await put("/v1/kv/mine", '{"policy":"crdt","crdt":"flag"}')
    expect(made.status).toBe(201)
    expect((await post("/v1/kv/mine/f", { op: "enable" })).status).toBe(200)
    const { epoch } = (await made.json()) as { epoch: number }
    const again = await put("/v1/kv/mine", '{"crdt":"flag","policy":"crdt"}', {}, secondUrl)
    expect([again.status, await again.json()]).toMatchObject([200, { bucket: { name: "mine", policy: "crdt", crdt: "flag" }, epoch }])
    for (const [body, field] of [
      ['{"policy":"lww"}', "policy"],
      ['{"policy":"crdt","crdt":"pn-counter"}', "crdt"],
      ['{"policy":"crdt","crdt":"flag","w":3}', "w"],
    ] as const) {
      const other = await put("/v1/kv/mine", body)
      expect([other.status, await other.json()]).toMatchObject([409, { field, remedy: expect.stringMatching(/another/) }])
    }
    const { buckets } = (await (await ask("/v1/kv")).json()) as { buckets: { name: string }[] }
    expect(buckets.map(({ name }) => name)).toContain("mine")
    expect(access.config.epoch).toBeGreaterThan(1)
  })
})

describe("a read that names what its caller has", () => {
  it("is told that nothing has changed, and gets what has", async () => {
    await put("/v1/kv/last/cached", "one")
    const etag = (await ask("/v1/kv/last/cached")).headers.get("etag") ?? ""
    for (const named of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const unchanged = await ask("/v1/kv/last/cached", { headers: { "if-none-match": named } })
      expect([unchanged.status, await unchanged.text(), unchanged.headers.get("etag")]).toEqual([304, "", etag])
    }
    await put("/v1/kv/last/cached", "two", { "if-match": etag })
    const changed = await ask("/v1/kv/last/cached", { headers: { "if-none-match": etag } })
    expect([changed.status, await changed.text()]).toEqual([200, "two"])
    expect((await ask("/v1/kv/last/never", { headers: { "if-none-match": "*" } })).status).toBe(404)
  })
})

describe("what is wrong with a request", () => {
  const far = Buffer.from(JSON.stringify({ w: 9e15 })).toString("base64url")
  it.each<[string, () => Promise<Response>, number, string]>([
    ["a bucket that is not there", () => put("/v1/kv/nowhere/a", "x"), 404, "bucket"],
    ["a name that is no bucket's", () => put("/v1/kv/Not-One", '{"policy":"lww"}'), 400, "name"],
    ["a policy that there is not", () => put("/v1/kv/some", '{"policy":"best"}'), 400, "policy"],
    ["a key that is too long", () => put(`/v1/kv/default/${"k".repeat(513)}`, "x"), 414, "key"],
    ["a value that is too large", () => put("/v1/kv/default/big", "x".repeat(VALUE_LENGTH_MAX + 1)), 413, "value"],
    ["a body that is far too large", () => put("/v1/kv/default/big", "x".repeat(4 * VALUE_LENGTH_MAX + 1)), 413, "body"],
    ["a context that is none", () => put("/v1/kv/default/a", "x", { "if-match": '"!!"' }), 400, "If-Match"],
    [
      "a context that names no events",
      () => put("/v1/kv/default/a", "x", { "if-match": `"${Buffer.from('{"w":-1}').toString("base64url")}"` }),
      400,
      "If-Match",
    ],
    ["a context from a future", () => put("/v1/kv/default/a", "x", { "if-match": `"${far}"` }), 400, "context"],
    ["a quorum of none", () => ask("/v1/kv/default/a?r=0"), 400, "r"],
    ["a quorum that is too large", () => ask("/v1/kv/default/a?r=5"), 400, "r"],
    ["a key that is not encoded", () => ask("/v1/kv/default/%ZZ"), 400, "key"],
    ["a write where nothing may be", () => put("/v1/kv/default/a", "x", { "if-none-match": "*" }), 400, "If-None-Match"],
    ["a session that is none", () => ask("/v1/kv/default/a", { headers: { "kv-session": "%%" } }), 400, "Kv-Session"],
    ["a put into a register", () => put("/v1/kv/registers/r", "x"), 409, "type"],
    ["an operation that is none of the type's", () => post("/v1/kv/counters/c", { op: "fly" }), 400, "operation"],
    ["a body that is no JSON", () => ask("/v1/kv/counters/c", { method: "POST", body: "{" }), 400, "body"],
    ["bytes that are no text", () => ask("/v1/kv/default/a", { method: "PUT", body: new Uint8Array([0xff, 0xfe]) }), 400, "body"],
    ["members that are none", () => put("/v1/store/members", '{"members":["x"]}'), 400, "members"],
    ["a watch of a bucket that is not there", () => ask("/v1/kv/nowhere?watch"), 404, "bucket"],
    ["a watch that is neither asked for nor left out", () => ask("/v1/kv/last?watch=no"), 400, "watch"],
    ["a value for a register that does not say what is expected", () => post("/v1/kv/registers/r", { value: "2" }), 400, "expect"],
    ["a field that a compare and set has not", () => post("/v1/kv/registers/r", { expect: null, value: "2", w: 1 }), 400, "w"],
    ["a function that is none", () => post("/v1/mapreduce/last", { map: 7, reduce: "sum" }), 400, "map"],
    ["a map/reduce that is a list", () => post("/v1/mapreduce/last", []), 400, "body"],
    ["a field that map/reduce has not", () => post("/v1/mapreduce/last", { map: "count", reduce: "sum", timeoutMs: 1 }), 400, "timeoutMs"],
    ["a limit that is none", () => ask("/v1/kv/default?limit=0"), 400, "limit"],
    ["an idempotency key that is none", () => put("/v1/kv/default/a", "x", { "idempotency-key": "a b" }), 400, "Idempotency-Key"],
  ])("%s is answered by one problem that names the field", async (_what, request, status, field) => {
    const answer = await request()
    expect(await answer.json()).toMatchObject({ status, field })
    expect(answer.headers.get("content-type")).toContain("problem+json")
  })

  it("a token does what its scopes say; without one, anybody may only read", async () => {
    const { url: guarded } = await gateway("3", { anonymous: ["read"], tokens: new Map([["a-token-of-a-writer", ["read", "write"]]]) })
    const bearer = { authorization: "Bearer a-token-of-a-writer" }
    expect((await put("/v1/kv/last/guarded", "x", {}, guarded)).status).toBe(401)
    expect((await put("/v1/kv/last/guarded", "x", { authorization: "Bearer none-of-these-tokens" }, guarded)).status).toBe(401)
    expect((await put("/v1/kv/last/guarded", "x", bearer, guarded)).status).toBe(200)
    expect((await ask("/v1/kv/last/guarded", {}, guarded)).status).toBe(200)
    expect((await put("/v1/kv/another", '{"policy":"lww"}', bearer, guarded)).status).toBe(403)
  })

  it("tells the version of the store, which every member speaks", async () => {
    const told = (await (await ask("/v1/store")).json()) as { version: number; epoch: number; members: { id: string }[] }
    expect(told.members.map(({ id }) => id)).toEqual(IDS)
    await until(async () => ((await (await ask("/v1/store")).json()) as { version: number }).version === WIRE_VERSION)
  })

  it("nobody works for a caller that has hung up", async () => {
    // A bus without replicas: what is asked waits.
    const empty = await startNatsServer({ unrestrictedUsers: ["test"] })
    const alone = await connect({ servers: empty.url, user: "test", pass: empty.credentials.get("test") ?? "" })
    const { url: lonely, access: waiting } = await gateway("3", EVERYBODY, alone)
    const controller = new AbortController()
    const asked = put("/v1/kv/last/left", "x", {}, lonely, controller.signal).catch((error: unknown) => (error as Error).name)
    await until(() => waiting.outstanding === 1)
    controller.abort()
    expect(await asked).toBe("AbortError")
    await until(() => waiting.outstanding === 0)
    await alone.close()
    await empty.stop()
  })

  it("a gateway that stops refuses what is new and answers what is under way", async () => {
    const { url: third, door } = await gateway("2")
    const under = put("/v1/kv/last/drain", "x", {}, third)
    await new Promise((resolve) => setTimeout(resolve, 5))
    door.drain()
    await door.drained(2_000)
    expect([200, 503]).toContain((await under).status)
    expect((await put("/v1/kv/last/drain", "y", {}, third)).status).toBe(503)
  })
})

describe("the description", () => {
  it("has every route of the router, and no other", async () => {
    const document = (await (await ask("/openapi.json")).json()) as { paths: Record<string, object> }
    expect(document).toEqual(openApi())
    const door = new StoreDoor({ access: EVERYBODY, store: () => null, telemetry: () => null })
    const routed = storeRoutes(door)
      .routes.filter(({ path, method }) => path.startsWith("/v1/") && method !== "ALL")
      .map(({ method, path }) => `${method.toLowerCase()} ${path.replace(/:(\w+)(\{[^}]*\})?/g, "{$1}")}`)
    expect([...new Set(routed)].sort()).toEqual(API.map(({ method, path }) => `${method} ${path}`).sort())
  })
})
