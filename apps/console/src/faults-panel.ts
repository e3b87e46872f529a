/** The processes of the stack, what can be done to them on purpose, and what the machine said about it. */
import { act, look } from "./api.ts"
import { button, part, reason, redraw, say, table } from "./elements.ts"
import type { MachineData } from "./machine-data.ts"

export interface ProcessData {
  readonly name: string
  readonly phase: string
  readonly pid: number | null
  readonly restarts: number
  readonly lastExit: string | null
  /** Partitioned from all others. */
  readonly cutOff: boolean
  /** Another program runs in the service's stead (`--replace`); a supervisor of an earlier version does not say it. */
  readonly replaced?: boolean
}

export interface LogLine {
  readonly wallMilliseconds: number
  readonly severity: string
  readonly service: string
  readonly instance: string
  readonly text: string
  readonly attributes: Readonly<Record<string, string | number | boolean>>
}

const EVERY_MILLISECONDS = 700
const LINES = 10
type Action = "kill" | "pause" | "resume" | "partition" | "heal" | "on"
const ACTIONS: Readonly<Record<string, readonly [Action, string][]>> = {
  ready: [
    ["kill", "end it without warning"],
    ["pause", "stop it in its tracks, as a host that hangs"],
    ["partition", "lose all messages between it and the others"],
  ],
  "cut off": [
    ["heal", "let messages through again"],
    ["kill", "end it without warning"],
  ],
  paused: [
    ["resume", "let it go on"],
    ["kill", "end it without warning"],
  ],
  off: [["on", "start it again"]],
  failed: [["on", "start it again"]],
}

export interface FaultsWatch {
  readonly hostedBy: (instance: string) => string
  readonly onProcesses: (processes: readonly ProcessData[]) => void
}

export async function watchFaults({ hostedBy, onProcesses }: FaultsWatch): Promise<never> {
  for (;;) {
    try {
      const { processes } = await look<{ processes: readonly ProcessData[] }>("/v1/processes")
      drawProcesses(processes, hostedBy)
      onProcesses(processes)
      const { logs } = await look<{ logs: readonly LogLine[] }>("/api/logs?level=warn&limit=300")
      drawReports(logs)
    } catch (error) {
      say(part("fault-told"), reason(error), "bad")
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MILLISECONDS))
  }
}

export function drawProcesses(processes: readonly ProcessData[], hostedBy: (instance: string) => string): void {
  const rows = processes.map((process) => ({
    ...process,
    state: process.cutOff && process.phase === "ready" ? "cut off" : process.phase,
    own: process.replaced === true ? " (replaced)" : "",
    hosts: hostedBy(process.name),
  }))
  redraw(part("processes"), rows, () => [
    table(
      "processes of the stack",
      ["process", "state", "restarts", "hosts", "do"],
      rows.map(({ name, state, own, restarts, lastExit, hosts }) => {
        const buttons = document.createElement("span")
        buttons.className = "buttons"
        if (name !== "nats-server")
          buttons.append(
            ...(ACTIONS[state] ?? []).map(([action, meaning]) =>
              button(action, `${action} ${name}: ${meaning}`, () => void press(name, action)),
            ),
          )
        return [name, state + own, restarts === 0 ? "" : `${restarts} (${lastExit ?? ""})`, hosts, buttons]
      }),
    ),
  ])
}

async function press(process: string, action: string): Promise<void> {
  const told = part("fault-told")
  try {
    await act("POST", `/v1/processes/${encodeURIComponent(process)}/${action}`)
    say(told, `${process} was told to ${action}`)
  } catch (error) {
    say(told, reason(error), "bad")
  }
}

export interface Report {
  /** The newest of its kind. */
  readonly line: LogLine
  readonly count: number
}

/** Warnings and worse: lost, restarted, bypassed, refused. The newest first, those of one kind from one process as one: a flood must not hide the rest. */
export function reportsOf(logs: readonly LogLine[]): readonly Report[] {
  const kinds = new Map<string, { readonly line: LogLine; count: number }>()
  for (const line of logs) {
    if (!/warn|error|fatal/i.test(line.severity)) continue
    const kind = `${line.instance} ${line.text}`
    const known = kinds.get(kind)
    if (known === undefined) kinds.set(kind, { line, count: 1 })
    else known.count++
  }
  return [...kinds.values()].slice(0, LINES)
}

function drawReports(logs: readonly LogLine[]): void {
  const reports = reportsOf(logs)
  redraw(part("reports"), reports, () => {
    const list = document.createElement("ol")
    list.className = "reports"
    for (const { line, count } of reports) {
      const item = document.createElement("li")
      const about = Object.entries(line.attributes)
        .filter(([name]) => name.startsWith("backplane."))
        .map(([name, value]) => `${name.slice("backplane.".length)} ${String(value)}`)
      const times = count === 1 ? "" : `, ${count} times of late`
      const what = about.length === 0 ? "" : ` (${about.join(", ")})`
      item.textContent = `${new Date(line.wallMilliseconds).toLocaleTimeString()} ${line.instance}: ${line.text}${what}${times}`
      list.append(item)
    }
    return reports.length === 0 ? [document.createTextNode("nothing out of the ordinary in the last minutes")] : [list]
  })
}

/** Schedulers that wait for a trial or a set of CPUs of their own, and decide nothing before: a free machine has many. */
const WAITING_SEAT = /^scheduler\.[a-z][a-z0-9]*-(all|cpu-\d+)$/

/** Which actors of a machine a process hosts now; those of waiting seats as their number. */
export function hostsOf(machines: readonly MachineData[]): (instance: string) => string {
  return (instance) => {
    const actors = machines
      .flatMap((machine) => machine.actors)
      .filter((actor) => actor.instance === instance && actor.running)
      .map((actor) => actor.actor)
    const waiting = actors.filter((actor) => WAITING_SEAT.test(actor))
    const named = actors.filter((actor) => !waiting.includes(actor)).join(" ")
    return waiting.length === 0 ? named : `${named} and ${waiting.length} in other seats`
  }
}
