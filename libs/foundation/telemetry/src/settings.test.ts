import { describe, expect, it } from "vitest"
import { readSettings } from "./settings.ts"
import { LiveSpanIds, traceDecision } from "./span-ids.ts"

describe("the environment decides where telemetry goes", () => {
  it.each([
    [{}, { kind: "memory" }],
    [{ BACKPLANE_COLLECTOR: "http://127.0.0.1:4318/" }, { kind: "collector", url: "http://127.0.0.1:4318" }],
    [{ BACKPLANE_COLLECTOR: "http://127.0.0.1:4318", OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" }, { kind: "otlp" }],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://127.0.0.1:1" }, { kind: "otlp" }],
    [{ OTEL_SDK_DISABLED: "TRUE", OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" }, { kind: "off" }],
  ])("%j → %j", (environment, destination) => {
    expect(readSettings(environment).destination).toEqual(destination)
  })

  it("turns one signal off by OTEL_…_EXPORTER=none", () => {
    expect(readSettings({ OTEL_LOGS_EXPORTER: "none" }).isOn).toEqual({ traces: true, metrics: true, logs: false })
  })

  it("reads protocol, queue and interval, one signal before all", () => {
    const settings = readSettings({
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: "grpc",
      OTEL_BSP_MAX_QUEUE_SIZE: "100",
      OTEL_METRIC_EXPORT_INTERVAL: "7",
    })
    expect(settings.protocol).toEqual({ traces: "http/json", metrics: "http/json", logs: "grpc" })
    expect(settings.spanQueue).toMatchObject({ queueMax: 100, batchMax: 100 })
    expect(settings.metricsIntervalMs).toBe(7)
    expect(settings.warnings).toEqual([])
  })

  it("names what it cannot read, with the remedy, and goes on with the default", () => {
    const { warnings, sampler, protocol } = readSettings({
      OTEL_TRACES_SAMPLER: "sometimes",
      OTEL_TRACES_SAMPLER_ARG: "2",
      OTEL_EXPORTER_OTLP_PROTOCOL: "smoke",
      OTEL_BSP_SCHEDULE_DELAY: "-1",
      BACKPLANE_COLLECTOR: "127.0.0.1:4318",
    })
    expect(sampler).toEqual({ name: "parentbased_always_on", ratio: 1 })
    expect(protocol.traces).toBe("http/protobuf")
    for (const name of ["OTEL_TRACES_SAMPLER ", "OTEL_TRACES_SAMPLER_ARG", "PROTOCOL", "OTEL_BSP_SCHEDULE_DELAY", "BACKPLANE_COLLECTOR"]) {
      expect(warnings.filter((warning) => warning.includes(name)).length).toBeGreaterThan(0)
    }
  })
})

describe("live ids", () => {
  it("are hexadecimal, of the right length, and not repeated", () => {
    const ids = new LiveSpanIds({ name: "always_on", ratio: 1 })
    const spans = new Set(Array.from({ length: 2000 }, () => ids.spanId()))
    expect(spans.size).toBe(2000)
    expect(ids.traceId()).toMatch(/^[0-9a-f]{32}$/)
    expect([...spans].every((id) => /^[0-9a-f]{16}$/.test(id))).toBe(true)
  })

  it("are sampled as the sampler says, by the trace's id alone", () => {
    expect(traceDecision({ name: "parentbased_always_off", ratio: 1 })("f".repeat(32))).toBe(false)
    const tenth = traceDecision({ name: "parentbased_traceidratio", ratio: 0.1 })
    expect(tenth("f".repeat(32))).toBe(false)
    expect(tenth("f".repeat(18) + "0".repeat(14))).toBe(true)
    expect(traceDecision({ name: "traceidratio", ratio: 1 })("f".repeat(32))).toBe(true)
    expect(traceDecision({ name: "traceidratio", ratio: 0 })("0".repeat(32))).toBe(false)
  })
})
