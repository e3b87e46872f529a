import { describe, expect, it } from "vitest"
import { ATTRIBUTES } from "./spans.ts"
import { EVENTS } from "./events.ts"
import { METRICS } from "./metrics.ts"
import { flows, metricOfSeries, spanEntry } from "./registry.ts"

/** Labels whose values are ids of things that come and go would make a series for each of them. */
const UNBOUNDED_LABELS = ["task", "traceId", "trace", "key", "holder", "sequence", "message", "reasonText"]

describe("the registry", () => {
  it("names every metric in the form of Prometheus, so that OTLP's translation leaves it alone", () => {
    for (const [name, { type, unit }] of Object.entries(METRICS)) {
      expect(name).toMatch(/^backplane_[a-z0-9_]+$/)
      expect(name.endsWith("_total")).toBe(type === "counter")
      expect(unit).toMatch(/^(\{[a-z]+\}|By|s)$/)
      if (unit === "By") expect(name).toMatch(/_bytes(_total)?$/)
      if (unit === "s") expect(name).toMatch(/_seconds(_total)?$/)
    }
  })

  it("gives no two metrics one OpenMetrics family", () => {
    const families = Object.keys(METRICS).map((name) => name.replace(/_total$/, ""))
    expect(new Set(families).size).toBe(families.length)
  })

  it("has only labels with few values", () => {
    for (const { labels } of Object.values(METRICS)) for (const label of labels) expect(UNBOUNDED_LABELS).not.toContain(label)
  })

  it("gives histograms rising bounds, and only them", () => {
    for (const { type, bounds } of Object.values(METRICS)) {
      expect(bounds !== undefined).toBe(type === "histogram")
      for (let index = 1; index < (bounds?.length ?? 0); index++) expect(bounds![index]!).toBeGreaterThan(bounds![index - 1]!)
    }
  })

  it("lets an event touch only metrics, labels and fields that are there, by an operation that fits", () => {
    for (const [name, entry] of Object.entries(EVENTS)) {
      for (const action of entry.metrics) {
        const metric = METRICS[action.metric]
        expect(metric, `${name} → ${action.metric}`).toBeDefined()
        expect({ counter: "count", gauge: "set", histogram: "observe" }[metric!.type]).toBe(action.op)
        if (action.field !== undefined) expect(Object.keys(entry.fields)).toContain(action.field)
        const given = new Set([...Object.keys(entry.fields), ...Object.keys(action.fixed ?? {}), "machine", "kind"])
        for (const label of metric!.labels) expect(given, `${name} → ${action.metric}{${label}}`).toContain(label)
        for (const label of Object.keys(action.fixed ?? {})) expect(metric!.labels).toContain(label)
      }
    }
  })

  it("knows a span with a variable word by its pattern, and nothing longer", () => {
    expect(spanEntry("trap ecall-u")?.flows).toEqual(["trap"])
    expect(spanEntry("trap {}")).toBeDefined()
    expect(spanEntry("trap ecall-u 17")).toBeUndefined()
    expect(spanEntry("toString")).toBeUndefined()
    expect(spanEntry("schedXdecide")).toBeUndefined()
  })

  it("knows the flows that people ask for", () => {
    for (const flow of ["trap", "migration", "steal", "restart", "decision", "lease", "reconciliation"])
      expect(flows().get(flow), flow).toBeDefined()
  })

  it("knows the series of a histogram, and of nothing else", () => {
    expect(metricOfSeries("backplane_slice_ticks_bucket")?.type).toBe("histogram")
    expect(metricOfSeries("backplane_tasks_sum")).toBeUndefined()
  })

  it("starts every own attribute with backplane.", () => {
    for (const name of Object.keys(ATTRIBUTES)) expect(name).toMatch(/^backplane\.[a-z_]+$/)
  })
})
