/** Where tasks ran: moves, warmth, nearness to their memory. */
import type { RecordedCpu, RecordedTask, RunRecord } from "./run-record.ts"

export interface Placement {
  /** Times that a task ran on another CPU than the time before, and those among them that led to another node. */
  readonly migrations: { readonly cpu: number; readonly node: number }
  /** Of all ticks of all CPUs. */
  readonly busyShare: number
  /** Of the busy ticks: with the working set in the cache; on the node of the frames. */
  readonly warmShare: number
  readonly localShare: number
}

export function placement({ tasks, cpus, endTick }: Pick<RunRecord, "tasks" | "cpus" | "endTick">): Placement {
  const nodes = new Map(cpus.map(({ cpu, node }: RecordedCpu) => [cpu, node]))
  let busy = 0
  let warm = 0
  let local = 0
  const migrations = { cpu: 0, node: 0 }
  for (const task of tasks) {
    let last: number | null = null
    for (const { cpu, ticks, warmTicks } of runsOf(task)) {
      busy += ticks
      warm += warmTicks
      if (nodes.get(cpu) === task.home) local += ticks
      if (last !== null && last !== cpu) migrations.cpu++
      if (last !== null && nodes.get(last) !== nodes.get(cpu)) migrations.node++
      last = cpu
    }
  }
  const all = cpus.length * endTick
  return { migrations, busyShare: share(busy, all), warmShare: share(warm, busy), localShare: share(local, busy) }
}

export function runsOf({ stays }: RecordedTask): readonly { readonly cpu: number; readonly ticks: number; readonly warmTicks: number }[] {
  return stays.flatMap((stay) =>
    stay.state === "running" ? [{ cpu: stay.cpu, ticks: stay.to - stay.from, warmTicks: stay.warmTicks }] : [],
  )
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}
