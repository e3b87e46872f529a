/**
 * Schedule and spans in the Trace Event Format (JSON), which ui.perfetto.dev and chrome://tracing open.
 * Format: "Trace Event Format", the Chromium project. Times are microseconds; one cycle is one nanosecond.
 */
import { canonicalJson, type Json } from "@backplane/foundation-base/json"
import { assertSchedule, migrationsOf, slicesOf } from "./schedule.ts"
import { arrowsOf, lanesOf, type PerfettoInput } from "./perfetto-input.ts"

const MACHINE_PID = 1
const ACTORS_PID = 2

type Event = Readonly<Record<string, Json>>

export function perfettoJson(input: PerfettoInput): string {
  const events = [...scheduleEvents(input), ...spanEvents(input)]
  return `{"displayTimeUnit":"ns","traceEvents":[\n${events.map((event) => canonicalJson(event)).join(",\n")}\n]}\n`
}

function scheduleEvents({ schedule, cyclesPerTick }: PerfettoInput): readonly Event[] {
  assertSchedule(schedule)
  const micros = (tick: number): number => (tick * cyclesPerTick) / 1000
  const events: Event[] = [named("process_name", MACHINE_PID, 0, `machine ${schedule.machine} (${schedule.policy})`)]
  for (const cpu of schedule.cpus) {
    events.push(named("thread_name", MACHINE_PID, cpu.cpu + 1, `CPU ${cpu.cpu} (node ${cpu.node})`))
    events.push({ ph: "M", name: "thread_sort_index", pid: MACHINE_PID, tid: cpu.cpu + 1, args: { sort_index: cpu.cpu } })
    for (const [from, to, job] of slicesOf(cpu)) {
      events.push({
        ph: "X",
        cat: "schedule",
        name: job,
        pid: MACHINE_PID,
        tid: cpu.cpu + 1,
        ts: micros(from),
        dur: micros(to - from),
        args: { from, to },
      })
    }
  }
  migrationsOf(schedule).forEach(({ job, from, to }, id) => {
    const about = { cat: "migration", name: job, id: id + 1, pid: MACHINE_PID }
    // An arrow is bound to the slice around its time: just before the end of the one, at the start of the other.
    events.push({ ...about, ph: "s", tid: from.cpu + 1, ts: micros(from.tick) - 0.001 })
    events.push({ ...about, ph: "f", bp: "e", tid: to.cpu + 1, ts: micros(to.tick) })
  })
  return events
}

function spanEvents({ spans = [] }: PerfettoInput): readonly Event[] {
  if (spans.length === 0) return []
  const arrows = arrowsOf(spans)
  const events: Event[] = [named("process_name", ACTORS_PID, 0, "actors")]
  lanesOf(spans).forEach((lane, index) => {
    const tid = index + 1
    events.push(named("thread_name", ACTORS_PID, tid, lane.index === 0 ? lane.actor : `${lane.actor} (${lane.index + 1})`))
    for (const span of lane.spans) {
      const args = { ...span.attributes, ...(span.error === null ? {} : { error: span.error }) }
      const at = { pid: ACTORS_PID, tid, ts: span.start / 1000 }
      events.push({ ...at, ph: "X", cat: "span", name: span.name, dur: (span.end - span.start) / 1000, args })
      for (const id of arrows.out.get(span.spanId) ?? []) events.push({ ...at, ph: "s", cat: "message", name: "message", id })
      const into = arrows.into.get(span.spanId)
      if (into !== undefined) events.push({ ...at, ph: "f", bp: "e", cat: "message", name: "message", id: into })
    }
  })
  return events
}

function named(what: "process_name" | "thread_name", pid: number, tid: number, name: string): Event {
  return { ph: "M", name: what, pid, tid, args: { name } }
}
