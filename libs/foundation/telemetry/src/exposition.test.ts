import { describe, expect, it } from "vitest"
import { exposition, formatFor } from "./exposition.ts"
import { MetricStore, SERIES_MAX } from "./metric-store.ts"

const EXEMPLAR = { traceId: "a".repeat(32), spanId: "b".repeat(16), value: 300, wallSeconds: 12.5 }

function store(): MetricStore {
  const metrics = new MetricStore()
  metrics.set("backplane_tasks", { machine: 'a"b\\c\nd', state: "running" }, 3)
  metrics.count("backplane_migrations_total", { machine: "m" }, { by: 2, exemplar: EXEMPLAR })
  metrics.observe("backplane_slice_ticks", { machine: "m" }, 5)
  metrics.observe("backplane_slice_ticks", { machine: "m" }, 300, EXEMPLAR)
  metrics.observe("backplane_slice_ticks", { machine: "m" }, 1e12)
  return metrics
}

describe("the text of /metrics", () => {
  it("is the Prometheus text format: escaped labels, cumulated buckets, no exemplars", () => {
    const lines = exposition(store().families(), "prometheus").split("\n")
    expect(lines.slice(0, 6)).toEqual([
      "# HELP backplane_tasks tasks of a node by state",
      "# TYPE backplane_tasks gauge",
      'backplane_tasks{machine="a\\"b\\\\c\\nd",state="running"} 3',
      "# HELP backplane_migrations_total tasks moved to another CPU; node is where they went",
      "# TYPE backplane_migrations_total counter",
      'backplane_migrations_total{machine="m"} 2',
    ])
    expect(lines).toContain('backplane_slice_ticks_bucket{machine="m",le="5"} 1')
    expect(lines).toContain('backplane_slice_ticks_bucket{machine="m",le="500"} 2')
    expect(lines).toContain('backplane_slice_ticks_bucket{machine="m",le="+Inf"} 3')
    expect(lines).toContain('backplane_slice_ticks_count{machine="m"} 3')
    expect(lines.at(-1)).toBe("")
  })

  it("is OpenMetrics where asked for: family without _total, exemplars with trace ids, an end mark", () => {
    const text = exposition(store().families(), formatFor("application/openmetrics-text; version=1.0.0,text/plain;q=0.5"))
    const ids = `{trace_id="${EXEMPLAR.traceId}",span_id="${EXEMPLAR.spanId}"} 300 12.500`
    expect(text).toContain("# TYPE backplane_migrations counter\n")
    expect(text).toContain(`backplane_migrations_total{machine="m"} 2 # ${ids}\n`)
    expect(text).toContain(`backplane_slice_ticks_bucket{machine="m",le="500"} 2 # ${ids}\n`)
    expect(text.endsWith("# EOF\n")).toBe(true)
  })
})

describe("the metric store", () => {
  it("refuses names and types that the registry does not have: a bug of ours", () => {
    expect(() => new MetricStore().count("backplane_made_up_total", {})).toThrow("in the registry")
    expect(() => new MetricStore().count("backplane_tasks", {})).toThrow("is a gauge")
    expect(() => new MetricStore().count("backplane_idles_total", {}, { by: -1 })).toThrow("only grows")
    expect(() => new MetricStore().count("backplane_idles_total", { task: "t1" })).toThrow("has the label task")
  })

  it("takes the same labels in any order as one series", () => {
    const metrics = new MetricStore()
    metrics.count("backplane_idles_total", { machine: "m", cpu: "1" })
    metrics.count("backplane_idles_total", { cpu: "1", machine: "m" })
    expect(metrics.families()[0]?.points).toMatchObject([{ value: 2 }])
  })

  it("bounds the series of a metric and keeps the rest in one that says so", () => {
    const metrics = new MetricStore()
    for (let cpu = 0; cpu < SERIES_MAX + 10; cpu++) metrics.count("backplane_idles_total", { cpu: String(cpu) })
    const points = metrics.families()[0]?.points ?? []
    expect(points).toHaveLength(SERIES_MAX + 1)
    expect(points.at(-1)).toMatchObject({ labels: { otel_metric_overflow: "true" }, value: 10 })
  })
})
