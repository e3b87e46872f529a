import { actorId } from "@backplane/foundation-actor/actor-id"
import type { FinishedSpan } from "@backplane/foundation-actor/span-book"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { describe, expect, it } from "vitest"
import { startTelemetry, type Telemetry } from "./telemetry.ts"
import type { HostTime } from "./trace-span.ts"

const NOW = 1_700_000_000_000

function start(environment: Readonly<Record<string, string>> = {}): {
  readonly telemetry: Telemetry
  readonly lines: () => readonly Record<string, unknown>[]
} {
  const written: string[] = []
  const telemetry = startTelemetry({
    service: "numa-node",
    instance: "node.0",
    environment,
    now: () => NOW,
    logStream: { write: (line) => void written.push(line) },
  })
  return { telemetry, lines: () => written.map((line) => JSON.parse(line) as Record<string, unknown>) }
}

function finished(index: number, more: Partial<FinishedSpan<HostTime>> = {}): FinishedSpan<HostTime> {
  return {
    traceId: String(index).padStart(32, "0"),
    spanId: String(index).padStart(16, "0"),
    parentSpanId: "00000000000000aa",
    origin: "step",
    name: "sched.dispatch",
    actor: actorId("node.0"),
    start: { virtual: virtualTime(10), wallMilliseconds: NOW },
    end: { virtual: virtualTime(30), wallMilliseconds: NOW + 2 },
    attributes: { "backplane.cpu": 1 },
    error: null,
    links: [],
    ...more,
  }
}

describe("with nowhere to export to", () => {
  it("the last spans stay in memory, with both clocks and our ids", async () => {
    const { telemetry } = start()
    telemetry.span("m1", finished(1))
    expect(telemetry.recentSpans()).toEqual([
      {
        traceId: finished(1).traceId,
        spanId: finished(1).spanId,
        parentSpanId: "00000000000000aa",
        name: "sched.dispatch",
        kind: "server",
        service: "numa-node",
        instance: "node.0",
        startMicros: NOW * 1000,
        endMicros: NOW * 1000 + 2000,
        attributes: {
          "backplane.cpu": 1,
          "backplane.machine": "m1",
          "backplane.actor": "node.0",
          "backplane.vt": 10,
          "backplane.vt_end": 30,
        },
        links: [],
        error: null,
      },
    ])
    await telemetry.shutdown()
  })

  it("spans that fall out of memory are counted", () => {
    const { telemetry } = start()
    for (let index = 0; index < 8192 + 5; index++) telemetry.span("m1", finished(index))
    expect(telemetry.recentSpans()).toHaveLength(8192)
    expect(telemetry.metricsText("prometheus")).toContain('backplane_spans_dropped_total{reason="memory-full"} 5\n')
  })

  it("a name that is not registered is kept and counted", () => {
    const { telemetry } = start()
    telemetry.span("m1", finished(1, { name: "surprise" }))
    telemetry.span("m1", finished(2, { name: "handle VcpuStopped" }))
    expect(telemetry.metricsText("prometheus")).toContain('backplane_unregistered_names_total{kind="span"} 1\n')
  })
})

describe("the log", () => {
  it("has one line an event with its fields, and the ids of the span it belongs to", () => {
    const { telemetry, lines } = start()
    const trace = { traceId: "a".repeat(32), spanId: "b".repeat(16), sampled: true }
    telemetry.event({
      name: "policy-swapped",
      level: "info",
      fields: { policy: "mqms" },
      machine: "m1",
      actor: actorId("node.0"),
      at: virtualTime(7),
      trace,
    })
    telemetry.event({ name: "dispatch", level: "debug", fields: {}, machine: "m1" })
    expect(lines()).toMatchObject([
      {
        level: "info",
        event: "policy-swapped",
        service: "numa-node",
        instance: "node.0",
        machine: "m1",
        actor: "node.0",
        vt: 7,
        policy: "mqms",
        trace_id: trace.traceId,
        span_id: trace.spanId,
      },
    ])
    expect(lines()).toHaveLength(1)
  })

  it("counts an event of any level, written or not, with the span as exemplar", () => {
    const { telemetry } = start()
    const trace = { traceId: "a".repeat(32), spanId: "b".repeat(16), sampled: true }
    telemetry.event({ name: "dispatch", level: "debug", fields: { cpu: 1 }, machine: "m1", actor: actorId("node.0"), trace })
    expect(telemetry.metricsText("openmetrics")).toContain(
      `backplane_dispatches_total{machine="m1",node="0",cpu="1"} 1 # {trace_id="${trace.traceId}",span_id="${trace.spanId}"} 1`,
    )
  })

  it("names a setting that it cannot read", () => {
    const { lines } = start({ OTEL_TRACES_SAMPLER: "sometimes", BACKPLANE_LOG_LEVEL: "loud" })
    expect(lines().map(({ event, level }) => [event, level])).toEqual([
      ["setting-ignored", "warn"],
      ["setting-ignored", "warn"],
    ])
  })
})

describe("switched off", () => {
  it("OTEL_SDK_DISABLED keeps no spans; numbers and log lines go on", () => {
    const { telemetry, lines } = start({ OTEL_SDK_DISABLED: "true", BACKPLANE_COLLECTOR: "http://127.0.0.1:9" })
    telemetry.span("m1", finished(1))
    telemetry.event({ name: "policy-swapped", level: "info", fields: {} })
    expect(telemetry.recentSpans()).toEqual([])
    expect(telemetry.spans.counts.received).toBe(0)
    expect(lines()).toHaveLength(1)
    expect(telemetry.metricsText("prometheus")).toContain("backplane_policy_swaps_total")
  })
})

describe("the sampler", () => {
  it("leaves traces out by name of OTEL_TRACES_SAMPLER, and counts them", () => {
    const { telemetry } = start({ OTEL_TRACES_SAMPLER: "always_off" })
    telemetry.ids.traceId()
    expect(telemetry.ids.sampled("migrate")).toBe(false)
    expect(telemetry.metricsText("prometheus")).toContain("backplane_traces_unsampled_total 1\n")
  })
})

describe("with a collector that is not there", () => {
  it("every span is counted as dropped and the end comes in bounded time", async () => {
    const { telemetry } = start({
      BACKPLANE_COLLECTOR: "http://127.0.0.1:9",
      OTEL_BSP_EXPORT_TIMEOUT: "50",
      OTEL_METRICS_EXPORTER: "none",
      OTEL_LOGS_EXPORTER: "none",
    })
    for (let index = 1; index <= 20; index++) telemetry.span("m1", finished(index))
    await telemetry.shutdown()
    expect(telemetry.spans.counts).toEqual({ received: 20, exported: 0, dropped: 20, waiting: 0, inFlight: 0 })
    expect(telemetry.metricsText("prometheus")).toContain('backplane_spans_dropped_total{reason="export-failed"} 20\n')
  })
})
