import { gzipSync } from "node:zlib"
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { FinishedSpan } from "@backplane/foundation-actor/span-book"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { startTelemetry } from "@backplane/foundation-telemetry/telemetry"
import type { HostTime } from "@backplane/foundation-telemetry/trace-span"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { startGateway, type Gateway, type GatewayOptions } from "./gateway.ts"
import { BODY_BYTES_MAX, UNPACKED_BYTES_MAX } from "./request-body.ts"

const NOW = 1_700_000_000_000
const SILENT = { write: () => undefined }
const NODE = actorId("node.0")

function start(more: Partial<GatewayOptions> = {}): Promise<Gateway> {
  // No SDK for the gateway's own telemetry: it would talk to itself on a timer in the middle of the tests.
  const environment = { OTEL_SDK_DISABLED: "true" }
  return startGateway({
    host: "127.0.0.1",
    port: 0,
    instance: "gateway.0",
    forwardTo: null,
    forwardHeaders: {},
    access: { anonymous: ["read"], tokens: new Map() },
    environment,
    now: () => NOW,
    logStream: SILENT,
    ...more,
  })
}

function spanBody(traceId: string, name = "migrate", isPlayed = false): string {
  const attributes = isPlayed ? [{ key: "backplane.played", value: { boolValue: true } }] : []
  const times = { startTimeUnixNano: "1700000000000000000", endTimeUnixNano: "1700000000001000000" }
  const span = { traceId, spanId: "2".repeat(16), name, ...times, attributes }
  const resource = { attributes: [{ key: "service.name", value: { stringValue: "numa-node" } }] }
  return JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ spans: [span] }] }] })
}

let gateway: Gateway
beforeAll(async () => {
  gateway = await start()
})
afterAll(() => gateway.close())

function post(
  path: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = { "content-type": "application/json" },
): Promise<Response> {
  return fetch(`${gateway.url}${path}`, { method: "POST", body, headers })
}

describe("what a process tells over OTLP", () => {
  it.each(["http/protobuf", "http/json"])("is found again in the gateway with our own ids, by %s", async (protocol) => {
    const traceId = (protocol === "http/json" ? "a" : "b").repeat(32)
    const lines: string[] = []
    const environment = { BACKPLANE_COLLECTOR: gateway.url, OTEL_EXPORTER_OTLP_PROTOCOL: protocol, BACKPLANE_LOG_LEVEL: "debug" }
    const telemetry = startTelemetry({
      service: "numa-node",
      instance: "node.0",
      environment,
      now: () => NOW,
      logStream: { write: (line) => void lines.push(line) },
    })
    const finished: FinishedSpan<HostTime> = {
      traceId,
      spanId: "1234567890abcdef",
      parentSpanId: null,
      origin: "open",
      name: "migrate",
      actor: NODE,
      start: { virtual: virtualTime(100), wallMilliseconds: NOW },
      end: { virtual: virtualTime(400), wallMilliseconds: NOW + 1.5 },
      attributes: { "backplane.from": 0, "backplane.to": 1 },
      error: null,
      links: [],
    }
    telemetry.span("m1", finished)
    telemetry.event({
      name: "migrate",
      level: "info",
      fields: { reason: protocol.slice(5) },
      machine: "m1",
      actor: NODE,
      trace: { traceId, spanId: finished.spanId, sampled: true },
    })
    await telemetry.ready
    telemetry.event({
      name: "migrate",
      level: "info",
      fields: { reason: protocol.slice(5) },
      machine: "m1",
      actor: NODE,
      trace: { traceId, spanId: finished.spanId, sampled: true },
    })
    await telemetry.shutdown()

    expect(telemetry.spans.counts).toMatchObject({ received: 1, exported: 1, dropped: 0 })
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      {
        level: "info",
        event: "migrate",
        service: "numa-node",
        trace_id: traceId,
        span_id: finished.spanId,
        machine: "m1",
        actor: "node.0",
      },
      { event: "migrate" },
    ])
    const { spans } = (await (await fetch(`${gateway.url}/api/traces/${traceId}`)).json()) as { spans: unknown[] }
    expect(spans).toMatchObject([
      {
        traceId,
        spanId: "1234567890abcdef",
        name: "migrate",
        kind: "client",
        service: "numa-node",
        instance: "node.0",
        startMicros: NOW * 1000,
        endMicros: NOW * 1000 + 1500,
      },
    ])
    const ofMachine = (await (await fetch(`${gateway.url}/api/spans?machine=m1`)).json()) as {
      spans: { traceId: string }[]
      dropped: number
    }
    expect(ofMachine.spans.map((each) => each.traceId)).toContain(traceId)
    expect(await (await fetch(`${gateway.url}/api/spans?machine=m2`)).json()).toEqual({ spans: [], dropped: 0 })
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text()
    const some = await (await fetch(`${gateway.url}/metrics?prefix=backplane_migrations_`)).text()
    expect(new Set([...some.matchAll(/^\w+/gm)].map(([name]) => name))).toEqual(new Set(["backplane_migrations_total"]))
    expect(metrics).toContain(
      `backplane_migrations_total{machine="m1",node="0",reason="${protocol.slice(5)}",job="numa-node",instance="node.0"} 2\n`,
    )
    const { logs } = (await (await fetch(`${gateway.url}/api/logs?trace=${traceId}`)).json()) as { logs: unknown[] }
    expect(logs).toMatchObject([{ text: "migrate", severity: "INFO", service: "numa-node" }])
    expect(await (await fetch(`${gateway.url}/api/logs?trace=${traceId}&level=warn`)).json()).toEqual({ logs: [] })
  })

  it("comes back as a tree in text for the terminal", async () => {
    await post("/v1/traces", spanBody("c".repeat(32)))
    const text = await (await fetch(`${gateway.url}/api/traces/last/migration`, { headers: { accept: "text/plain" } })).text()
    expect(text).toContain("migrate")
    expect(text).toContain("1.00 ms")
  })

  it("says of the last trace of a flow that parts of it may still come, while it is young and a parent is missing", async () => {
    const nano = (milliseconds: number): string => `${NOW + milliseconds}000000`
    const times = { startTimeUnixNano: nano(-20), endTimeUnixNano: nano(-10) }
    const torn = spanBody("e".repeat(32), "kv.reconcile read-repair").replace(
      /"startTimeUnixNano".*?"endTimeUnixNano":"\d+"/,
      `"parentSpanId":"3333333333333333",${JSON.stringify(times).slice(1, -1)}`,
    )
    await post("/v1/traces", torn)
    const isArriving = async (): Promise<boolean> =>
      (await fetch(`${gateway.url}/api/traces/last/reconciliation`)).headers.has("backplane-trace-arriving")
    expect(await isArriving()).toBe(true)
    await post("/v1/traces", spanBody("e".repeat(32), "kv.request").replace("2".repeat(16), "3".repeat(16)))
    expect(await isArriving()).toBe(false)
  })

  it("says of the last trace of a flow that a visitor asked for it: one of a user may still come", async () => {
    const server = await start()
    const isPlayed = async (): Promise<boolean> =>
      (await fetch(`${server.url}/api/traces/last/request`)).headers.has("backplane-trace-played")
    const tell = (body: string): Promise<Response> =>
      fetch(`${server.url}/v1/traces`, { method: "POST", body, headers: { "content-type": "application/json" } })
    await tell(spanBody("d".repeat(32), "kv.request", true))
    expect(await isPlayed()).toBe(true)
    await tell(spanBody("c".repeat(32), "kv.request"))
    expect(await isPlayed()).toBe(false)
    await server.close()
  })

  it("is taken packed by gzip", async () => {
    const response = await post("/v1/traces", gzipSync(spanBody("d".repeat(32))), {
      "content-type": "application/json; charset=utf-8",
      "content-encoding": "gzip",
    })
    expect(response.status).toBe(200)
    expect(gateway.collector.traces.trace("d".repeat(32))).toHaveLength(1)
  })
})

describe("bad input gets one problem document that names the field and the remedy", () => {
  const json = { "content-type": "application/json" }
  const cases: readonly [string, () => Promise<Response>, Record<string, unknown>][] = [
    ["a body that is no JSON", () => post("/v1/traces", "{"), { status: 400, field: "body", remedy: expect.stringMatching(/^send /) }],
    [
      "an id that is no id",
      () => post("/v1/traces", spanBody("xyz")),
      { status: 400, field: "resourceSpans[0].scopeSpans[0].spans[0].traceId" },
    ],
    [
      "protobuf that is none",
      () => post("/v1/metrics", new Uint8Array([10, 255, 1]), { "content-type": "application/x-protobuf" }),
      { status: 400, field: "body" },
    ],
    [
      "another content type",
      () => post("/v1/traces", "x", { "content-type": "text/plain" }),
      { status: 415, field: "content-type", remedy: "application/json or application/x-protobuf" },
    ],
    ["another packing", () => post("/v1/traces", "x", { ...json, "content-encoding": "br" }), { status: 415, field: "content-encoding" }],
    [
      "gzip that is none",
      () => post("/v1/traces", "x", { ...json, "content-encoding": "gzip" }),
      { status: 400, field: "content-encoding" },
    ],
    ["too large a body", () => post("/v1/logs", new Uint8Array(BODY_BYTES_MAX + 1), json), { status: 413, field: "body" }],
    [
      "a small body that unpacks too large",
      () => post("/v1/logs", gzipSync(new Uint8Array(UNPACKED_BYTES_MAX + 1)), { ...json, "content-encoding": "gzip" }),
      { status: 413, field: "body" },
    ],
    ["a limit that is none", () => fetch(`${gateway.url}/api/traces?limit=-1`), { status: 400, field: "limit" }],
    ["a trace id that is none", () => fetch(`${gateway.url}/api/traces/7`), { status: 400, field: "id" }],
    ["a trace that is not here", () => fetch(`${gateway.url}/api/traces/${"9".repeat(32)}`), { status: 404, field: "id" }],
    ["a flow that there is not", () => fetch(`${gateway.url}/api/traces/last/holiday`), { status: 404, field: "flow" }],
    ["a level that is none", () => fetch(`${gateway.url}/api/logs?level=loud`), { status: 400, field: "level" }],
    ["spans of no machine", () => fetch(`${gateway.url}/api/spans`), { status: 400, field: "machine" }],
    ["a place that there is not", () => fetch(`${gateway.url}/api/nothing`), { status: 404, field: "path" }],
    ["the wrong method", () => fetch(`${gateway.url}/v1/traces`), { status: 405, field: "method", remedy: "POST" }],
  ]
  it.each(cases)("%s", async (_what, send, expected) => {
    const response = await send()
    expect(response.status).toBe(expected["status"])
    expect(response.headers.get("content-type")).toBe("application/problem+json")
    expect(await response.json()).toMatchObject(expected)
  })

  it("a page of another site that points its name here is turned away", async () => {
    const { request } = await import("node:http")
    const status = await new Promise((resolve, reject) => {
      request(`${gateway.url}/api/traces`, { headers: { host: "evil.example" } }, (response) => resolve(response.resume().statusCode))
        .on("error", reject)
        .end()
    })
    expect(status).toBe(421)
  })
})

describe("the gateway", () => {
  it("is alive at once and ready when what it needs is there", async () => {
    let ready = false
    const waiting = await start({ readiness: () => ({ ready, detail: "bus" }) })
    expect((await fetch(`${waiting.url}/healthz`)).status).toBe(200)
    expect((await fetch(`${waiting.url}/readyz`)).status).toBe(503)
    ready = true
    expect((await fetch(`${waiting.url}/readyz`)).status).toBe(200)
    await waiting.close()
  })

  it("lists who told something", async () => {
    await post("/v1/traces", spanBody("e".repeat(32)))
    const { services } = (await (await fetch(`${gateway.url}/api/services`)).json()) as { services: { service: string }[] }
    expect(services.map(({ service }) => service)).toContain("numa-node")
  })

  it("says which port is taken, and the remedy", async () => {
    await expect(start({ port: Number(new URL(gateway.url).port) })).rejects.toThrow(/in use; set BACKPLANE_GATEWAY_PORT/)
  })

  it("passes everything on to a real collector and counts what it could not", async () => {
    const passing = await start({ forwardTo: gateway.url })
    const send = (to: Gateway, traceId: string): Promise<Response> =>
      fetch(`${to.url}/v1/traces`, { method: "POST", body: spanBody(traceId), headers: { "content-type": "application/json" } })
    await send(passing, "f".repeat(32))
    const metrics = passing.collector
    await passing.close()
    expect(gateway.collector.traces.trace("f".repeat(32))).toHaveLength(1)
    expect(metrics.metricsText("prometheus", NOW)).toContain('backplane_collector_forwarded_total{signal="traces",result="accepted"')

    const nowhere = await start({ forwardTo: "http://127.0.0.1:9" })
    expect((await send(nowhere, "1".repeat(32))).status).toBe(200)
    await nowhere.close()
    expect(nowhere.collector.metricsText("prometheus", NOW)).toContain(
      'backplane_collector_forwarded_total{signal="traces",result="failed"',
    )
  })

  it("counts what it refused", () => {
    expect(gateway.collector.metricsText("prometheus", NOW)).toMatch(/backplane_collector_rejected_total\{reason="413",[^}]*\} 2\n/)
  })

  it("answers OpenMetrics where asked", async () => {
    const response = await fetch(`${gateway.url}/metrics`, { headers: { accept: "application/openmetrics-text" } })
    expect(response.headers.get("content-type")).toContain("openmetrics")
    expect((await response.text()).endsWith("# EOF\n")).toBe(true)
  })
})

describe("the gateway's own telemetry", () => {
  it("arrives in its own collector", async () => {
    const own = await start({ environment: { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" } })
    expect(own.telemetry.settings.destination).toEqual({ kind: "collector", url: own.url })
    await own.telemetry.ready
    own.telemetry.event({ name: "idle", level: "debug", fields: {} })
    await own.close()
    expect(own.collector.services().map(({ service }) => service)).toEqual(["gateway"])
  })
})

describe("a gateway that is closed to strangers", () => {
  it("tells traces, logs and views to a token that may read only; metrics and health stay open", async () => {
    const token = "reader-0123456789ab"
    const closed = await start({ access: { anonymous: [], tokens: new Map([[token, ["read"]]]) } })
    try {
      const status = async (path: string, headers: Record<string, string> = {}): Promise<number> =>
        (await fetch(closed.url + path, { headers })).status
      for (const path of ["/api/traces", "/api/traces/last/trap", "/api/spans?machine=demo", "/api/services", "/api/logs", "/api/machine"])
        expect(await status(path), path).toBe(401)
      for (const path of ["/api/traces", "/api/services", "/api/logs"])
        expect(await status(path, { authorization: `Bearer ${token}` }), path).toBe(200)
      for (const path of ["/metrics", "/healthz", "/readyz"]) expect(await status(path), path).toBe(200)
    } finally {
      await closed.close()
    }
  })
})
