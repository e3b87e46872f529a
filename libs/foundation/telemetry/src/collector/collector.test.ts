import {
  JsonMetricsSerializer,
  JsonTraceSerializer,
  ProtobufMetricsSerializer,
  ProtobufTraceSerializer,
} from "@opentelemetry/otlp-transformer"
import { resourceFromAttributes } from "@opentelemetry/resources"
import { describe, expect, it } from "vitest"
import { metricProducer } from "../metric-producer.ts"
import { MetricStore } from "../metric-store.ts"
import { readableSpan } from "../readable-span.ts"
import type { TraceSpan } from "../trace-span.ts"
import { Collector } from "./collector.ts"
import type { Encoding } from "./otlp-decode.ts"

const NOW = 1_700_000_000_000
const RESOURCE = resourceFromAttributes({ "service.name": "numa-node", "service.instance.id": "node.0" })
const SPAN: TraceSpan = {
  traceId: "0123456789abcdef0123456789abcdef",
  spanId: "fedcba9876543210",
  parentSpanId: "00000000000000aa",
  name: "migrate",
  kind: "client",
  service: "numa-node",
  instance: "node.0",
  startMicros: 1_700_000_000_123_456.25,
  endMicros: 1_700_000_000_123_999,
  attributes: { "backplane.from": 0, "backplane.machine": "m", flag: true, share: 0.5 },
  links: [{ traceId: "1".repeat(32), spanId: "2".repeat(16) }],
  error: "lost",
}

function collector(): Collector {
  return new Collector({ service: "gateway", instance: "gateway.0", metrics: new MetricStore() })
}

function json(value: unknown): { encoding: Encoding; bytes: Uint8Array } {
  return { encoding: "json", bytes: new TextEncoder().encode(JSON.stringify(value)) }
}

describe.each<[Encoding]>([["json"], ["protobuf"]])("what OpenTelemetry's own serializer writes as %s", (encoding) => {
  it("comes back as the same span, ids, times and all", () => {
    const all = collector()
    const serializer = encoding === "json" ? JsonTraceSerializer : ProtobufTraceSerializer
    expect(all.accept("traces", { encoding, bytes: serializer.serializeRequest([readableSpan(SPAN, RESOURCE)])! }, NOW)).toBe(1)
    expect(all.traces.trace(SPAN.traceId)).toEqual([SPAN])
    expect(all.services()).toEqual([{ service: "numa-node", instances: ["node.0"], heardAt: NOW }])
  })

  it("comes back as the same series on /metrics, labelled with who told it", async () => {
    const store = new MetricStore()
    store.count("backplane_migrations_total", { machine: "m", reason: "imbalance" }, { by: 3 })
    store.set("backplane_tasks", { machine: "m", state: "running" }, 2)
    store.observe("backplane_slice_ticks", { machine: "m" }, 7)
    const { resourceMetrics } = await metricProducer(store, () => NOW * 1000).collect()
    const serializer = encoding === "json" ? JsonMetricsSerializer : ProtobufMetricsSerializer
    const all = collector()
    all.accept("metrics", { encoding, bytes: serializer.serializeRequest({ ...resourceMetrics, resource: RESOURCE })! }, NOW)
    const text = all.metricsText("prometheus", NOW)
    expect(text).toContain('backplane_migrations_total{machine="m",reason="imbalance",job="numa-node",instance="node.0"} 3\n')
    expect(text).toContain('backplane_tasks{machine="m",state="running",job="numa-node",instance="node.0"} 2\n')
    expect(text).toContain('backplane_slice_ticks_bucket{machine="m",job="numa-node",instance="node.0",le="10"} 1\n')
    expect(text).toContain('backplane_collector_received_total{signal="metrics",job="gateway",instance="gateway.0"} 3\n')
    expect(text.match(/^# TYPE backplane_tasks /gm)).toHaveLength(1)
  })
})

describe("the collector", () => {
  it.each([
    ["traces", "body", { encoding: "json" as const, bytes: new TextEncoder().encode("{") }],
    ["traces", "body", { encoding: "protobuf" as const, bytes: new Uint8Array([0x0a, 0xff, 0x01]) }],
    ["traces", "resourceSpans", json({ resourceSpans: {} })],
    [
      "traces",
      "resourceSpans[0].scopeSpans[0].spans[0].traceId",
      json({ resourceSpans: [{ scopeSpans: [{ spans: [{ traceId: "xyz" }] }] }] }),
    ],
    [
      "traces",
      "resourceSpans[0].scopeSpans[0].spans[0].spanId",
      json({ resourceSpans: [{ scopeSpans: [{ spans: [{ traceId: "1".repeat(32), spanId: "0".repeat(16) }] }] }] }),
    ],
    ["metrics", "resourceMetrics[0].scopeMetrics[0].metrics[0].name", json({ resourceMetrics: [{ scopeMetrics: [{ metrics: [{}] }] }] })],
    [
      "logs",
      "resourceLogs[0].scopeLogs[0].logRecords[0].timeUnixNano",
      json({ resourceLogs: [{ scopeLogs: [{ logRecords: [{ timeUnixNano: "noon" }] }] }] }),
    ],
  ] as const)("refuses %s that are not OTLP by naming %s, and keeps nothing of them", (signal, field, body) => {
    const all = collector()
    expect(() => all.accept(signal, body, NOW)).toThrow(expect.objectContaining({ name: "OtlpError", field }))
    expect(all.traces.spans).toBe(0)
  })

  it("adds up a sender that tells only what is new", () => {
    const all = collector()
    const sum = { aggregationTemporality: 1, isMonotonic: true, dataPoints: [{ asInt: "2" }] }
    const request = json({ resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: "http.requests", sum }] }] }] })
    all.accept("metrics", request, NOW)
    all.accept("metrics", request, NOW)
    expect(all.metricsText("prometheus", NOW)).toContain('http_requests_total{job="unknown_service",instance=""} 4\n')
  })

  it("keeps exemplars and shows them in OpenMetrics", () => {
    const all = collector()
    const exemplar = { traceId: "a".repeat(32), spanId: "b".repeat(16), asDouble: 3, timeUnixNano: "1700000000000000000" }
    const histogram = {
      aggregationTemporality: 2,
      dataPoints: [{ explicitBounds: [1, 5], bucketCounts: ["0", "1", "0"], sum: 3, exemplars: [exemplar] }],
    }
    all.accept("metrics", json({ resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: "wait", histogram }] }] }] }), NOW)
    expect(all.metricsText("openmetrics", NOW)).toContain(
      `le="5"} 1 # {trace_id="${"a".repeat(32)}",span_id="${"b".repeat(16)}"} 3 1700000000.000\n`,
    )
  })

  it("forgets the series of a service that has gone silent", () => {
    const all = collector()
    all.accept(
      "metrics",
      json({ resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: "g", gauge: { dataPoints: [{ asDouble: 1 }] } }] }] }] }),
      NOW,
    )
    expect(all.metricsText("prometheus", NOW + 299_000)).toContain("\ng{")
    expect(all.metricsText("prometheus", NOW + 301_000)).not.toContain("\ng{")
  })

  it("keeps log lines by trace, newest first", () => {
    const all = collector()
    const line = (text: string): object => ({
      timeUnixNano: "1700000000000000000",
      severityText: "INFO",
      body: { stringValue: text },
      attributes: [{ key: "trace_id", value: { stringValue: "t" } }],
    })
    all.accept("logs", json({ resourceLogs: [{ scopeLogs: [{ logRecords: [line("one"), line("two")] }] }] }), NOW)
    expect(all.logs({ traceId: "t", limit: 1 })).toMatchObject([{ text: "two", severity: "INFO", wallMilliseconds: NOW }])
    expect(all.logs({ traceId: "u", limit: 1 })).toEqual([])
  })
})
