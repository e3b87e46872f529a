import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { TraceSpan } from "../trace-span.ts"
import { TraceStore, type EvictReason } from "./trace-store.ts"

function span(trace: number, id: number): TraceSpan {
  return {
    traceId: String(trace).padStart(32, "0"),
    spanId: String(id).padStart(16, "0"),
    parentSpanId: id === 0 ? null : "0".repeat(16),
    name: id === 0 ? "migrate" : "sched.decide",
    kind: "internal",
    service: `s${id % 3}`,
    instance: "i",
    startMicros: id,
    endMicros: id + 1,
    attributes: {},
    links: [],
    error: null,
  }
}

describe("the trace store", () => {
  it("stays within its limits and loses no span without counting it", () => {
    const batch = fc.record({
      trace: fc.nat({ max: 6 }),
      ids: fc.array(fc.nat({ max: 20 }), { maxLength: 15 }),
      wait: fc.nat({ max: 400 }),
    })
    const limits = fc.record({
      spansMax: fc.integer({ min: 1, max: 40 }),
      bytesMax: fc.integer({ min: 500, max: 20_000 }),
      ageMaxMs: fc.integer({ min: 1, max: 1000 }),
      spansPerTraceMax: fc.integer({ min: 1, max: 12 }),
    })
    fc.assert(
      fc.property(limits, fc.array(batch, { maxLength: 30 }), (bounds, batches) => {
        let lost = 0
        let given = 0
        let now = 0
        const store = new TraceStore(bounds, (_reason: EvictReason, spans) => void (lost += spans))
        for (const { trace, ids, wait } of batches) {
          now += wait
          store.add(
            ids.map((id) => span(trace, id)),
            now,
          )
          given += ids.length
          expect(store.spans).toBeLessThanOrEqual(bounds.spansMax)
          expect(store.bytes).toBeLessThanOrEqual(bounds.bytesMax)
          expect(store.spans + lost).toBe(given)
          expect([...store.all()]).toHaveLength(store.spans)
        }
      }),
    )
  })

  it("lets the trace go first that was heard of longest ago", () => {
    const store = new TraceStore({ spansMax: 3 })
    store.add([span(1, 0), span(2, 0)], 0)
    store.add([span(1, 1)], 1)
    store.add([span(3, 0)], 2)
    expect(store.search({ limit: 9 }).map(({ traceId }) => Number(traceId))).toEqual([3, 1])
  })

  it("keeps the newest few of a flow although others push", () => {
    const store = new TraceStore({ spansMax: 8, ageMaxMs: 100 })
    for (let trace = 1; trace <= 6; trace++) store.add([span(trace, 0)], trace)
    for (let trace = 10; trace < 40; trace++) store.add([span(trace, 1)], trace)
    expect(store.search({ root: "migrate", limit: 9 }).map(({ traceId }) => Number(traceId))).toEqual([6, 5, 4, 3])
    expect(store.spans).toBe(8)
    store.expire(150)
    expect(store.search({ root: "migrate", limit: 9 })).toHaveLength(4)
    store.expire(1000)
    expect(store.spans).toBe(0)
  })

  it("finds traces by root, service and contained span, newest first, at most the limit", () => {
    const store = new TraceStore()
    store.add([span(1, 0), span(1, 1)], 0)
    store.add([span(2, 0)], 1)
    store.add([span(3, 4)], 2)
    const found = (query: Parameters<TraceStore["search"]>[0]): number[] => store.search(query).map(({ traceId }) => Number(traceId))
    expect(found({ root: "migrate", limit: 9 })).toEqual([2, 1])
    expect(found({ service: "s1", limit: 9 })).toEqual([3, 1])
    expect(found({ span: "sched.decide", limit: 9 })).toEqual([3, 1])
    expect(found({ limit: 1 })).toEqual([3])
    expect(store.search({ root: "migrate", service: "s1", limit: 1 })).toEqual([
      {
        traceId: span(1, 0).traceId,
        root: "migrate",
        service: "s0",
        startMicros: 0,
        durationMicros: 2,
        spans: 2,
        services: ["s0", "s1"],
        errors: 0,
      },
    ])
  })
})
