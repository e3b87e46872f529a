/**
 * CPUs that idle while a task waits that they could run: the sanity check of Lozi and others, "The Linux Scheduler: a Decade of Wasted
 * Cores", EuroSys 2016, which found its bugs by it. A moment of it is normal (a decision takes its time); a long stretch is a bug.
 */
import { mayRunOn, onlineAt, type Occupied, type RecordedTask } from "./run-record.ts"
import { momentsOf, type Moment } from "./stay-cursor.ts"

export interface IdleBesideWork {
  /** Ticks of CPUs that could have run something that waited: at each moment as many as could have been put to work at once. */
  readonly cpuTicks: number
  /** Of all ticks of all CPUs. */
  readonly share: number
  /** The longest that one CPU idled with work at hand all the while, ticks. */
  readonly longestTicks: number
  /** Stretches of at least the bound, longest first. */
  readonly flagged: readonly Stretch[]
}

export interface Stretch {
  readonly cpu: number
  readonly from: number
  readonly to: number
  /** A task that waited at the end of it and could have run there. */
  readonly task: string
}

/** `boundTicks`: shorter stretches are not flagged. */
export function idleBesideWork(record: Occupied, { boundTicks }: { readonly boundTicks: number }): IdleBesideWork {
  let cpuTicks = 0
  const open = new Map<number, { readonly from: number; task: string }>()
  const stretches: Stretch[] = []
  const close = (cpu: number, to: number): void => {
    const stretch = open.get(cpu)
    if (stretch !== undefined) stretches.push({ cpu, to, ...stretch })
    open.delete(cpu)
  }
  for (const moment of momentsOf(record)) {
    const { idle, waiting } = sidesOf(moment, record)
    cpuTicks += (moment.to - moment.from) * couldRun(idle, waiting)
    for (const { cpu } of record.cpus) {
      const task = idle.includes(cpu) ? waiting.find((one) => mayRunOn(one, cpu)) : undefined
      const stretch = open.get(cpu)
      if (task === undefined) close(cpu, moment.from)
      else if (stretch === undefined) open.set(cpu, { from: moment.from, task: task.name })
      else stretch.task = task.name
    }
  }
  for (const cpu of [...open.keys()]) close(cpu, record.endTick)
  stretches.sort((a, b) => b.to - b.from - (a.to - a.from) || a.from - b.from || a.cpu - b.cpu)
  const all = record.endTick * record.cpus.length
  return {
    cpuTicks,
    share: all === 0 ? 0 : cpuTicks / all,
    longestTicks: stretches.length === 0 ? 0 : (stretches[0] as Stretch).to - (stretches[0] as Stretch).from,
    flagged: stretches.filter(({ from, to }) => to - from >= boundTicks),
  }
}

function sidesOf(
  { from, present }: Moment,
  record: Occupied,
): { readonly idle: readonly number[]; readonly waiting: readonly RecordedTask[] } {
  const busy = new Set(present.flatMap(({ stay }) => (stay.state === "running" ? [stay.cpu] : [])))
  return {
    idle: onlineAt(record, from).filter((cpu) => !busy.has(cpu)),
    waiting: present.flatMap(({ task, stay }) => (stay.state === "waiting" ? [task] : [])),
  }
}

/** Most CPUs that could be given a task at once: a matching, by augmenting paths. */
export function couldRun(idle: readonly number[], waiting: readonly Pick<RecordedTask, "affinity">[]): number {
  if (waiting.every(({ affinity }) => affinity.length === 0)) return Math.min(idle.length, waiting.length)
  const taskOf = new Map<number, number>()
  const place = (task: number, tried: Set<number>): boolean => {
    for (const cpu of idle) {
      if (tried.has(cpu) || !mayRunOn(waiting[task] as RecordedTask, cpu)) continue
      tried.add(cpu)
      const other = taskOf.get(cpu)
      if (other !== undefined && !place(other, tried)) continue
      taskOf.set(cpu, task)
      return true
    }
    return false
  }
  return waiting.reduce((count, _, task) => count + (place(task, new Set()) ? 1 : 0), 0)
}
