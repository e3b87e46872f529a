import { describe, expect, it } from "vitest"
import { isArriving, isPlayed, lastTrace, renderTrace } from "./trace-tree.ts"
import type { TraceSpan } from "./trace-span.ts"

const TRACE = "a".repeat(32)

function span(id: string, parent: string | null, more: Partial<TraceSpan> & { readonly vt?: readonly [number, number] }): TraceSpan {
  const { vt, attributes, ...rest } = more
  return {
    traceId: TRACE,
    spanId: id.repeat(16),
    parentSpanId: parent?.repeat(16) ?? null,
    name: "migrate",
    kind: "internal",
    service: "numa-node",
    instance: "node.0",
    startMicros: 1000,
    endMicros: 1500,
    links: [],
    error: null,
    ...rest,
    attributes: {
      ...(vt === undefined ? {} : { "backplane.vt": vt[0], "backplane.vt_end": vt[1], "backplane.machine": "m1" }),
      ...attributes,
    },
  }
}

const MIGRATION: readonly TraceSpan[] = [
  span("3", "1", {
    name: "sched.decide",
    service: "cpu-scheduler",
    instance: "scheduler.cpu-1",
    vt: [13_000, 14_000],
    startMicros: 1200,
    endMicros: 1300,
    error: "policy says no",
    links: [{ traceId: "b".repeat(32), spanId: "c".repeat(16) }],
  }),
  span("1", null, { vt: [12_000, 24_400], attributes: { "backplane.from": 0, "backplane.to": 1 } }),
  span("4", "3", { name: "sched.steal", vt: [13_500, 13_600] }),
  span("2", "1", { name: "mem.fetch", vt: [12_500, 12_900], attributes: { "backplane.step": 3 } }),
  span("6", "5", { name: "task.finish", vt: [30_000, 30_001] }),
]

describe("a trace in the terminal", () => {
  it("shows the tree by virtual time with service, offset, both durations, attributes, links, errors and lost parents", () => {
    expect(renderTrace(MIGRATION)).toMatchInlineSnapshot(`
      "trace aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa · machine m1 · 5 spans in 2 services · 18 001 cycles · 500 µs
      migrate                numa-node node.0                           +0     12 400 cycles      500 µs  from=0 to=1
      ├─ mem.fetch [step 3]  numa-node node.0                         +500        400 cycles      500 µs
      └─ sched.decide        cpu-scheduler scheduler.cpu-1          +1 000      1 000 cycles      100 µs
         │ link → trace bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb span cccccccccccccccc
         │ error: policy says no
         └─ sched.steal      numa-node node.0                       +1 500        100 cycles      500 µs
      task.finish            numa-node node.0                      +18 000          1 cycles      500 µs
        parent 5555555555555555 was not received
      "
    `)
  })

  it("hangs on no loop among parents and shows each span once", () => {
    const loop = [span("1", "2", {}), span("2", "1", {}), span("3", "3", {})]
    const text = renderTrace(loop)
    expect(text.match(/migrate/g)).toHaveLength(3)
  })

  it("says so where there is nothing", () => {
    expect(renderTrace([])).toBe("no spans\n")
  })
})

describe("the last trace of a flow", () => {
  const other = span("9", null, { traceId: "f".repeat(32), name: "mem.lease", vt: [90_000, 90_001] })

  it("is the one whose telling span started last, with all its spans", () => {
    const newer = span("8", null, { traceId: "e".repeat(32), vt: [50_000, 60_000] })
    expect(lastTrace([newer, ...MIGRATION, other], "migration")).toEqual({ kind: "trace", spans: [newer] })
    expect(lastTrace([...MIGRATION, other], "steal")).toMatchObject({ kind: "trace", spans: { length: 5 } })
  })

  it("is one that has come whole, where the newest may still be on its way", () => {
    const whole = span("8", null, { traceId: "e".repeat(32), vt: [50_000, 60_000], endMicros: 5_000_000 })
    const young = span("7", "6", { traceId: "d".repeat(32), vt: [70_000, 80_000], endMicros: 6_000_000 })
    expect(lastTrace([whole, young], "migration")).toEqual({ kind: "trace", spans: [whole] })
    expect(lastTrace([young], "migration")).toEqual({ kind: "trace", spans: [young] })
    // What has not come in three seconds does not come: its process is gone.
    const torn = { ...young, endMicros: 7_000_000 }
    const younger = span("5", "4", { traceId: "c".repeat(32), vt: [90_000, 99_000], endMicros: 11_000_000 })
    expect(lastTrace([whole, torn, younger], "migration")).toEqual({ kind: "trace", spans: [torn] })
  })

  it("of what a user asked the store for goes before what the gateway's visitors did since", () => {
    const request = (trace: string, at: number, attributes: TraceSpan["attributes"]): readonly TraceSpan[] => {
      const traceId = trace.repeat(32)
      return [
        span("1", null, { traceId, name: "kv.request", vt: [at, at + 9], attributes }),
        span("2", "1", { traceId, name: "kv.write", vt: [at + 1, at + 8] }),
      ]
    }
    const own = request("d", 10_000, {})
    const played = { "backplane.played": true }
    const others = [...request("b", 20_000, played), ...request("c", 5_000, played)]
    expect(lastTrace([...own, ...others], "write")).toEqual({ kind: "trace", spans: own })
    expect(lastTrace(others, "write")).toEqual({ kind: "trace", spans: others.slice(0, 2) })
    expect([own, others].map(isPlayed)).toEqual([false, true])
    // Of a flow that no request has had a part in, the newest.
    expect(lastTrace([...own, ...MIGRATION], "migration")).toMatchObject({ kind: "trace", spans: { length: 5 } })
  })

  it("may be arriving while it is young and a parent is missing", () => {
    const torn = span("7", "6", { endMicros: 6_000_000 })
    expect([8_000_000, 9_500_000].map((now) => isArriving([torn], now))).toEqual([true, false])
    expect(isArriving([span("8", null, {})], 0)).toBe(false)
  })

  it("is found by a span's pattern", () => {
    expect(lastTrace([span("1", null, { name: "trap ecall-u" })], "trap")).toMatchObject({ kind: "trace" })
  })

  it("says what is missing, and which flows there are", () => {
    expect(lastTrace([other], "migration")).toMatchObject({ kind: "none", reason: expect.stringContaining("migrate") })
    expect(lastTrace([other], "holiday")).toMatchObject({ kind: "none", reason: expect.stringContaining("reconciliation") })
  })
})
