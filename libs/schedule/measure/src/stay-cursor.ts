/** Goes through the stays of many tasks in step with time: which stay each is in, from one change to the next. */
import { changesOf, type RecordedTask, type RunRecord, type Stay } from "./run-record.ts"

export interface Moment {
  readonly from: number
  readonly to: number
  /** Those that are in a stay, with it; in the order of the record. */
  readonly present: readonly { readonly task: RecordedTask; readonly stay: Stay }[]
}

/** The run in pieces within which nothing changes. */
export function* momentsOf(record: Pick<RunRecord, "tasks" | "endTick" | "offline">): Generator<Moment> {
  const next = new Map<RecordedTask, number>(record.tasks.map((task) => [task, 0]))
  const changes = changesOf(record)
  for (const [index, from] of changes.entries()) {
    const to = changes[index + 1]
    if (to === undefined) return
    yield { from, to, present: record.tasks.flatMap((task) => stayAt(task, from, next)) }
  }
}

function stayAt(
  task: RecordedTask,
  tick: number,
  next: Map<RecordedTask, number>,
): readonly { readonly task: RecordedTask; readonly stay: Stay }[] {
  let index = next.get(task) ?? 0
  while ((task.stays[index]?.to ?? Infinity) <= tick) index++
  next.set(task, index)
  const stay = task.stays[index]
  return stay === undefined || stay.from > tick ? [] : [{ task, stay }]
}
