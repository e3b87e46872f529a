/**
 * Schedule and spans as a native Perfetto trace (`.pftrace`).
 *
 * The schedule appears twice: as `sched_switch` events, which Perfetto draws in its own CPU view, and as slices on tracks with
 * arrows for migrations, which carry more to click on. Spans have a track for each actor, with arrows for messages.
 * Field numbers: perfetto.dev, protos/perfetto/trace: trace_packet, track_descriptor, track_event, debug_annotation,
 * process_tree, ftrace_event(_bundle), sched. One cycle is one nanosecond.
 */
import { ProtobufWriter } from "./protobuf-writer.ts"
import { arrowsOf, lanesOf, type PerfettoInput, type PictureSpan } from "./perfetto-input.ts"
import { assertSchedule, jobsOf, migrationsOf, slicesOf, type CpuSchedule, type Slice } from "./schedule.ts"

const TRACE = { packet: 1 } as const
const PACKET = {
  ftraceEvents: 1,
  processTree: 2,
  timestamp: 8,
  sequenceId: 10,
  trackEvent: 11,
  sequenceFlags: 13,
  trackDescriptor: 60,
} as const
const TRACK = { uuid: 1, name: 2, parentUuid: 5, childOrdering: 11, siblingOrderRank: 12 } as const
const EVENT = { debugAnnotations: 4, type: 9, trackUuid: 11, categories: 22, name: 23, flowIds: 47, terminatingFlowIds: 48 } as const
const ANNOTATION = { bool: 2, int: 4, text: 6, name: 10 } as const
const TREE = { processes: 1, threads: 2 } as const
const PROCESS = { pid: 1, cmdline: 3 } as const
const THREAD = { tid: 1, name: 2, tgid: 3 } as const
const BUNDLE = { cpu: 1, event: 2 } as const
const FTRACE = { timestamp: 1, pid: 2, schedSwitch: 4 } as const
const SWITCH = { prevComm: 1, prevPid: 2, prevPrio: 3, prevState: 4, nextComm: 5, nextPid: 6, nextPrio: 7 } as const

const SLICE_BEGIN = 1
const SLICE_END = 2
/** `TrackDescriptor.ChildTracksOrdering.EXPLICIT` */
const ORDER_EXPLICIT = 3
/** `SEQ_INCREMENTAL_STATE_CLEARED`: the first packet of the one sequence. */
const STATE_CLEARED = 1
const SEQUENCE = 1
/** Linux task states as in sched_switch: still runnable, or dead. */
const STATE_RUNNABLE = 0
const STATE_DEAD = 16
const IDLE_PID = 0
const MACHINE_PID = 1000
const PRIORITY = 120

const SCHEDULE_TRACK = 1
const ACTORS_TRACK = 2
const CPU_TRACKS_FROM = 1_000
const LANE_TRACKS_FROM = 1_000_000
/** Arrows of messages are numbered after those of migrations. */
const MESSAGE_FLOWS_FROM = 1_000_000_000

export function perfettoTrace(input: PerfettoInput): Uint8Array {
  assertSchedule(input.schedule)
  const trace = new ProtobufWriter()
  packet(trace, (writer) =>
    writer.uint(PACKET.sequenceFlags, STATE_CLEARED).message(PACKET.processTree, (tree) => writeProcesses(tree, input)),
  )
  writeSwitches(trace, input)
  writeScheduleTracks(trace, input)
  writeSpanTracks(trace, input.spans ?? [])
  return trace.bytes()
}

function packet(trace: ProtobufWriter, write: (writer: ProtobufWriter) => void): void {
  trace.message(TRACE.packet, (writer) => {
    writer.uint(PACKET.sequenceId, SEQUENCE)
    write(writer)
  })
}

/** Each job is a thread of the machine, so that the CPU view has names and colours. */
function writeProcesses(tree: ProtobufWriter, { schedule }: PerfettoInput): void {
  tree.message(TREE.processes, (process) =>
    process.uint(PROCESS.pid, MACHINE_PID).text(PROCESS.cmdline, `machine ${schedule.machine} (${schedule.policy})`),
  )
  jobsOf(schedule).forEach((job, index) =>
    tree.message(TREE.threads, (thread) => thread.uint(THREAD.tid, jobPid(index)).text(THREAD.name, job).uint(THREAD.tgid, MACHINE_PID)),
  )
}

function jobPid(index: number): number {
  return MACHINE_PID + 1 + index
}

function writeSwitches(trace: ProtobufWriter, { schedule, cyclesPerTick }: PerfettoInput): void {
  const pids = new Map(jobsOf(schedule).map((job, index) => [job, jobPid(index)]))
  const ends = new Map<string, number>()
  for (const cpu of schedule.cpus) for (const [, to, job] of slicesOf(cpu)) ends.set(job, Math.max(to, ends.get(job) ?? 0))
  for (const cpu of schedule.cpus) {
    const changes = changesOf(cpu)
    if (changes.length === 0) continue
    packet(trace, (writer) =>
      writer.message(PACKET.ftraceEvents, (bundle) => {
        bundle.uint(BUNDLE.cpu, cpu.cpu)
        for (const { tick, from, to } of changes) {
          const state = from !== null && ends.get(from) === tick ? STATE_DEAD : STATE_RUNNABLE
          bundle.message(BUNDLE.event, (event) => {
            event.uint(FTRACE.timestamp, tick * cyclesPerTick).uint(FTRACE.pid, pidOf(pids, from))
            event.message(FTRACE.schedSwitch, (change) => {
              change
                .text(SWITCH.prevComm, from ?? "idle")
                .uint(SWITCH.prevPid, pidOf(pids, from))
                .uint(SWITCH.prevPrio, PRIORITY)
                .uint(SWITCH.prevState, state)
              change
                .text(SWITCH.nextComm, to ?? "idle")
                .uint(SWITCH.nextPid, pidOf(pids, to))
                .uint(SWITCH.nextPrio, PRIORITY)
            })
          })
        }
      }),
    )
  }
}

function pidOf(pids: ReadonlyMap<string, number>, job: string | null): number {
  return job === null ? IDLE_PID : (pids.get(job) ?? IDLE_PID)
}

/** When what the CPU runs changes, idle included. */
function changesOf(cpu: CpuSchedule): readonly { readonly tick: number; readonly from: string | null; readonly to: string | null }[] {
  const changes: { tick: number; from: string | null; to: string | null }[] = []
  let before: Slice | null = null
  for (const slice of slicesOf(cpu)) {
    const [from, , job] = slice
    if (before !== null && before[1] === from) changes.push({ tick: from, from: before[2], to: job })
    else {
      if (before !== null) changes.push({ tick: before[1], from: before[2], to: null })
      changes.push({ tick: from, from: null, to: job })
    }
    before = slice
  }
  if (before !== null) changes.push({ tick: before[1], from: before[2], to: null })
  return changes
}

function writeScheduleTracks(trace: ProtobufWriter, { schedule, cyclesPerTick }: PerfettoInput): void {
  writeTrack(trace, { uuid: SCHEDULE_TRACK, name: `schedule of ${schedule.machine} (${schedule.policy})`, rank: 0 })
  const flows = new Map<string, { readonly out: number[]; readonly into: number[] }>()
  migrationsOf(schedule).forEach(({ from, to }, index) => {
    flowsAt(flows, from.cpu, from.slice).out.push(index + 1)
    flowsAt(flows, to.cpu, to.slice).into.push(index + 1)
  })
  for (const cpu of schedule.cpus) {
    const uuid = CPU_TRACKS_FROM + cpu.cpu
    writeTrack(trace, { uuid, name: `CPU ${cpu.cpu} (node ${cpu.node})`, parent: SCHEDULE_TRACK, rank: cpu.cpu })
    slicesOf(cpu).forEach(([from, to, job], slice) => {
      const { out, into } = flowsAt(flows, cpu.cpu, slice)
      writeBegin(trace, { uuid, at: from * cyclesPerTick, category: "schedule", name: job, out, into, about: { from, to } })
      writeEnd(trace, uuid, to * cyclesPerTick)
    })
  }
}

function flowsAt(
  flows: Map<string, { readonly out: number[]; readonly into: number[] }>,
  cpu: number,
  slice: number,
): { readonly out: number[]; readonly into: number[] } {
  const key = `${cpu}/${slice}`
  const known = flows.get(key) ?? { out: [], into: [] }
  flows.set(key, known)
  return known
}

function writeSpanTracks(trace: ProtobufWriter, spans: readonly PictureSpan[]): void {
  if (spans.length === 0) return
  writeTrack(trace, { uuid: ACTORS_TRACK, name: "actors", rank: 1 })
  const arrows = arrowsOf(spans)
  lanesOf(spans).forEach((lane, index) => {
    const uuid = LANE_TRACKS_FROM + index
    writeTrack(trace, {
      uuid,
      name: lane.index === 0 ? lane.actor : `${lane.actor} (${lane.index + 1})`,
      parent: ACTORS_TRACK,
      rank: index,
    })
    const open: PictureSpan[] = []
    const closeUntil = (time: number): void => {
      while (open.length > 0 && (open.at(-1)?.end ?? 0) <= time) writeEnd(trace, uuid, open.pop()?.end ?? time)
    }
    for (const span of lane.spans) {
      closeUntil(span.start)
      const into = arrows.into.get(span.spanId)
      const about = { ...span.attributes, ...(span.error === null ? {} : { error: span.error }) }
      const out = (arrows.out.get(span.spanId) ?? []).map((arrow) => MESSAGE_FLOWS_FROM + arrow)
      writeBegin(trace, {
        uuid,
        at: span.start,
        category: "span",
        name: span.name,
        out,
        into: into === undefined ? [] : [MESSAGE_FLOWS_FROM + into],
        about,
      })
      open.push(span)
    }
    closeUntil(Infinity)
  })
}

function writeTrack(
  trace: ProtobufWriter,
  track: { readonly uuid: number; readonly name: string; readonly parent?: number; readonly rank: number },
): void {
  packet(trace, (writer) =>
    writer.message(PACKET.trackDescriptor, (descriptor) => {
      descriptor.uint(TRACK.uuid, track.uuid).text(TRACK.name, track.name)
      if (track.parent !== undefined) descriptor.uint(TRACK.parentUuid, track.parent)
      descriptor.uint(TRACK.childOrdering, ORDER_EXPLICIT).uint(TRACK.siblingOrderRank, track.rank)
    }),
  )
}

interface Begin {
  readonly uuid: number
  readonly at: number
  readonly category: string
  readonly name: string
  /** Arrows that start and end here. */
  readonly out: readonly number[]
  readonly into: readonly number[]
  readonly about: Readonly<Record<string, string | number | boolean>>
}

function writeBegin(trace: ProtobufWriter, begin: Begin): void {
  packet(trace, (writer) => {
    writer.uint(PACKET.timestamp, begin.at).message(PACKET.trackEvent, (event) => {
      for (const [name, value] of Object.entries(begin.about))
        event.message(EVENT.debugAnnotations, (annotation) => writeAnnotation(annotation, name, value))
      event
        .uint(EVENT.type, SLICE_BEGIN)
        .uint(EVENT.trackUuid, begin.uuid)
        .text(EVENT.categories, begin.category)
        .text(EVENT.name, begin.name)
      for (const flow of begin.out) event.fixed64(EVENT.flowIds, flow)
      for (const flow of begin.into) event.fixed64(EVENT.terminatingFlowIds, flow)
    })
  })
}

function writeEnd(trace: ProtobufWriter, uuid: number, at: number): void {
  packet(trace, (writer) =>
    writer.uint(PACKET.timestamp, at).message(PACKET.trackEvent, (event) => event.uint(EVENT.type, SLICE_END).uint(EVENT.trackUuid, uuid)),
  )
}

function writeAnnotation(annotation: ProtobufWriter, name: string, value: string | number | boolean): void {
  annotation.text(ANNOTATION.name, name)
  if (typeof value === "boolean") annotation.uint(ANNOTATION.bool, value ? 1 : 0)
  else if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) annotation.uint(ANNOTATION.int, value)
  else annotation.text(ANNOTATION.text, String(value))
}
