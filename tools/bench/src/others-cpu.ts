/**
 * How busy others kept the computer while a bench ran, from /proc (Linux); null elsewhere. See proc(5).
 *
 * Ours is this process with all children, waited for or still running; all else that was not idle is others', time stolen by
 * a hypervisor included. Both files count in the same clock ticks. A child that was neither waited for nor still runs at
 * the end counts as others'.
 */
import { readdirSync, readFileSync } from "node:fs"

export interface CpuSample {
  readonly busyTicks: number
  readonly totalTicks: number
  readonly oursTicks: number
}

/** Places in the first line of /proc/stat: user nice system idle iowait irq softirq steal (guest is part of user). */
const IDLE = 3
const IOWAIT = 4
const STEAL = 7

export function parseCpuLine(stat: string): { readonly busyTicks: number; readonly totalTicks: number } | null {
  const line = stat.split("\n").find((each) => each.startsWith("cpu "))
  if (line === undefined) return null
  const ticks = line
    .trim()
    .split(/\s+/)
    .slice(1, STEAL + 2)
    .map(Number)
  const totalTicks = ticks.reduce((sum, each) => sum + each, 0)
  return { busyTicks: totalTicks - (ticks[IDLE] ?? 0) - (ticks[IOWAIT] ?? 0), totalTicks }
}

export interface ProcessTimes {
  readonly pid: number
  readonly parentPid: number
  /** Its own time and that of the children it waited for. */
  readonly ticks: number
}

/** Fields 4 (ppid) and 14–17 (utime stime cutime cstime); the name in field 2 may hold spaces and brackets. */
export function parseProcessStat(stat: string): ProcessTimes | null {
  const pid = Number.parseInt(stat)
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const ticks = fields.slice(11, 15).map(Number)
  if (!Number.isInteger(pid) || ticks.length < 4 || ticks.some(Number.isNaN)) return null
  return { pid, parentPid: Number(fields[1]), ticks: ticks.reduce((sum, each) => sum + each, 0) }
}

/** Ticks of `root` and everything below it. */
export function ticksOfTree(processes: readonly ProcessTimes[], root: number): number {
  const tree = new Set([root])
  for (let grown = true; grown;) {
    const before = tree.size
    for (const each of processes) if (tree.has(each.parentPid)) tree.add(each.pid)
    grown = tree.size > before
  }
  return processes.reduce((sum, each) => (tree.has(each.pid) ? sum + each.ticks : sum), 0)
}

/** Null where there is no /proc/stat. */
export function sampleCpu(): CpuSample | null {
  const line = parseCpuLine(readOrEmpty("/proc/stat"))
  if (line === null) return null
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => parseProcessStat(readOrEmpty(`/proc/${name}/stat`)))
    .filter((each) => each !== null)
  return { ...line, oursTicks: ticksOfTree(processes, process.pid) }
}

/** Share of all CPU time between two samples that others took, 0…1. */
export function othersShare(before: CpuSample | null, afterwards: CpuSample | null): number | null {
  if (before === null || afterwards === null) return null
  const total = afterwards.totalTicks - before.totalTicks
  if (total <= 0) return null
  const others = afterwards.busyTicks - before.busyTicks - (afterwards.oursTicks - before.oursTicks)
  return Math.round(Math.min(1, Math.max(0, others / total)) * 1000) / 1000
}

/** A process may end between listing and reading. */
function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return ""
  }
}
