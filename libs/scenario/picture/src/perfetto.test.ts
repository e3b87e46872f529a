import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { lanesOf } from "./perfetto-input.ts"
import { perfettoJson } from "./perfetto-json.ts"
import { perfettoTrace } from "./perfetto-trace.ts"
import { ProtobufWriter, utf8 } from "./protobuf-writer.ts"
import { SCHEDULE, SPANS, span } from "./testing/example.ts"
import { complaintsOf, PERFETTO_SCHEMA, traceType } from "./testing/perfetto-suite.ts"

interface Decoded {
  readonly packet: readonly {
    readonly timestamp?: number
    readonly sequenceFlags?: number
    readonly trackDescriptor?: { readonly uuid: number; readonly name: string; readonly parentUuid?: number }
    readonly trackEvent?: {
      readonly type: number
      readonly trackUuid: number
      readonly name?: string
      readonly flowIds?: number[]
      readonly terminatingFlowIds?: number[]
      readonly debugAnnotations?: object[]
    }
    readonly processTree?: object
    readonly ftraceEvents?: {
      readonly cpu: number
      readonly event: readonly { readonly timestamp: number; readonly schedSwitch: Record<string, unknown> }[]
    }
  }[]
}

const TYPE = traceType(PERFETTO_SCHEMA)
const INPUT = { schedule: SCHEDULE, cyclesPerTick: 1_000_000_000_000, spans: SPANS }

function decoded(bytes: Uint8Array): Decoded["packet"] {
  return (TYPE.toObject(TYPE.decode(bytes), { longs: Number }) as Decoded).packet
}

/** The slices of every track by name, rebuilt as a reader of the trace would: begins and ends as a stack. */
function slicesByTrack(packets: Decoded["packet"]): Record<string, readonly [string, number, number][]> {
  const names = new Map(
    packets.flatMap(({ trackDescriptor }) => (trackDescriptor === undefined ? [] : [[trackDescriptor.uuid, trackDescriptor.name]])),
  )
  const open = new Map<number, [string, number][]>()
  const found: Record<string, [string, number, number][]> = {}
  for (const { timestamp = 0, trackEvent } of packets) {
    if (trackEvent === undefined) continue
    const stack = open.get(trackEvent.trackUuid) ?? []
    open.set(trackEvent.trackUuid, stack)
    if (trackEvent.type === 1) stack.push([trackEvent.name!, timestamp])
    else {
      const [name, start] = stack.pop()!
      ;(found[names.get(trackEvent.trackUuid)!] ??= []).push([name, start, timestamp])
    }
  }
  for (const stack of open.values()) expect(stack).toEqual([])
  return found
}

describe("the native Perfetto trace", () => {
  const packets = decoded(perfettoTrace(INPUT))
  const tick = INPUT.cyclesPerTick

  it("is the same bytes every time", () => {
    expect(perfettoTrace(INPUT)).toEqual(perfettoTrace(INPUT))
    expect(packets[0]?.sequenceFlags).toBe(1)
  })

  it("holds each slice on its CPU's track and each span on its actor's, overlapping ones on a lane of their own", () => {
    expect(slicesByTrack(packets)).toEqual({
      "CPU 0 (node 0)": [
        ["a", 0, 8 * tick],
        ["b", 10 * tick, 14 * tick],
      ],
      "CPU 1 (node 0)": [
        ["b", 0, 5 * tick],
        ['<c> & "d"', 5 * tick, 6 * tick],
      ],
      "CPU 2 (node 1)": [["a", 9 * tick, 20 * tick]],
      "node.0": [
        ["sched.dispatch", 70, 100],
        ["sched.decide", 0, 100],
      ],
      "node.0 (2)": [["sched.decide", 50, 150]],
      "scheduler.cpu-0": [["sched.pick", 20, 60]],
    })
  })

  it("has an arrow for each migration and each message between actors: one start, one end", () => {
    const events = packets.flatMap(({ trackEvent }) => (trackEvent === undefined ? [] : [trackEvent]))
    const starts = events.flatMap(({ name, flowIds = [] }) => flowIds.map((id) => [id, name]))
    const ends = events.flatMap(({ name, terminatingFlowIds = [] }) => terminatingFlowIds.map((id) => [id, name]))
    expect(starts.sort()).toEqual([
      [1, "a"],
      [1_000_000_001, "sched.decide"],
      [2, "b"],
    ])
    expect(ends.sort()).toEqual([
      [1, "a"],
      [1_000_000_001, "sched.pick"],
      [2, "b"],
    ])
  })

  it("tells Perfetto's own CPU view who ran: every switch leaves what was entered, and idle is pid 0", () => {
    const bundles = packets.flatMap(({ ftraceEvents }) => (ftraceEvents === undefined ? [] : [ftraceEvents]))
    expect(bundles.map(({ cpu }) => cpu)).toEqual([0, 1, 2])
    for (const { event } of bundles) {
      let running: unknown = 0
      for (const { schedSwitch } of event) {
        expect(schedSwitch["prevPid"]).toBe(running)
        running = schedSwitch["nextPid"]
      }
      expect(running).toBe(0)
    }
    expect(
      bundles[0]?.event.map(({ timestamp, schedSwitch }) => [
        timestamp / tick,
        schedSwitch["prevComm"],
        schedSwitch["prevState"],
        schedSwitch["nextComm"],
      ]),
    ).toEqual([
      [0, "idle", 0, "a"],
      [8, "a", 0, "idle"],
      [10, "idle", 0, "b"],
      [14, "b", 16, "idle"],
    ])
    expect(packets[0]?.processTree).toMatchObject({
      threads: [
        { tid: 1001, name: "a", tgid: 1000 },
        { tid: 1002, name: "b" },
        { tid: 1003, name: '<c> & "d"' },
      ],
    })
  })

  it("carries attributes and errors", () => {
    const picked = packets.find(({ trackEvent }) => trackEvent?.name === "sched.pick")?.trackEvent
    expect(picked?.debugAnnotations).toEqual([{ name: "error", stringValue: "policy says no" }])
  })
})

describe("the schema of Perfetto", () => {
  const published = process.env["BACKPLANE_PERFETTO_PROTO"] ?? ""
  const schema = published === "" ? PERFETTO_SCHEMA : readFileSync(published, "utf8")

  it("has every field that is written, as it is written", () => {
    expect(complaintsOf(traceType(schema), perfettoTrace(INPUT))).toEqual([])
  })

  it.each([
    ["a field that there is not", (event: ProtobufWriter) => event.uint(8, 1), "TrackEvent has no field 8"],
    ["a field of another kind", (event: ProtobufWriter) => event.uint(47, 1), "TrackEvent.flowIds is fixed64, not of wire type 0"],
    ["a type that there is not", (event: ProtobufWriter) => event.uint(9, 99), "TrackEvent.type has no value 99"],
  ])("catches %s", (_, write, complaint) => {
    const trace = new ProtobufWriter().message(1, (packet) => packet.message(11, (event) => void write(event)))
    expect(complaintsOf(traceType(PERFETTO_SCHEMA), trace.bytes())).toEqual([complaint])
  })
})

describe("the JSON trace", () => {
  const { traceEvents } = JSON.parse(perfettoJson(INPUT)) as { traceEvents: Record<string, unknown>[] }

  it("holds the same slices and arrows", () => {
    expect(
      traceEvents.filter(({ ph, cat }) => ph === "X" && cat === "schedule").map(({ name, tid, ts, dur }) => [name, tid, ts, dur]),
    ).toEqual([
      ["a", 1, 0, 8e9],
      ["b", 1, 10e9, 4e9],
      ["b", 2, 0, 5e9],
      ['<c> & "d"', 2, 5e9, 1e9],
      ["a", 3, 9e9, 11e9],
    ])
    expect(traceEvents.filter(({ ph, cat }) => ph === "f" && cat === "migration").map(({ name, tid }) => [name, tid])).toEqual([
      ["a", 3],
      ["b", 1],
    ])
    expect(traceEvents.filter(({ ph, cat }) => ph === "X" && cat === "span")).toHaveLength(4)
    expect(traceEvents.filter(({ ph, cat }) => ph === "s" && cat === "message")).toHaveLength(1)
  })

  it("works without spans", () => {
    expect(JSON.parse(perfettoJson({ schedule: SCHEDULE, cyclesPerTick: 1 }))).toMatchObject({ displayTimeUnit: "ns" })
  })
})

it("lanes hold only spans that lie apart or inside each other", () => {
  const spans = Array.from({ length: 60 }, (_, index) =>
    span(String(index).padStart(2, "0"), null, { start: (index * 37) % 90, end: ((index * 37) % 90) + 1 + ((index * 11) % 40) }),
  )
  const lanes = lanesOf(spans)
  expect(lanes.flatMap((lane) => lane.spans)).toHaveLength(60)
  for (const lane of lanes) {
    for (const a of lane.spans)
      for (const b of lane.spans)
        expect(
          a.end <= b.start || b.end <= a.start || (a.start <= b.start && b.end <= a.end) || (b.start <= a.start && a.end <= b.end),
        ).toBe(true)
  }
})

it("writes text as UTF-8, as the platform does", () => {
  const text = "aé→😀\uD800z"
  expect(utf8(text)).toEqual([...new TextEncoder().encode(text)])
})
