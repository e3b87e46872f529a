/** How long tasks waited, and how long their bursts took. */
import { distributionOf, type Distribution } from "./percentiles.ts"
import type { RecordedTask, RunRecord } from "./run-record.ts"

/** A task that has waited for so many slices in one piece counts as starved (the limit of the ladder of fallback). */
const STARVED_SLICES = 20

export interface Starvation {
  /** The longest wait in one piece, ticks. */
  readonly waitMostTicks: number
  /** Tasks that waited for at least `STARVED_SLICES` slices in one piece. */
  readonly tasks: number
}

/** From awake to on a CPU, ticks. A wait that the record's end cuts off counts as long as it was seen. */
export function wakeLatency({ tasks }: Pick<RunRecord, "tasks">): Distribution {
  return distributionOf(
    tasks.flatMap(({ stays }) => stays.flatMap((stay) => (stay.state === "waiting" && stay.why === "wake" ? [stay.to - stay.from] : []))),
  )
}

/** From created or awake to blocked or done: what a request takes, ticks. Bursts that the record's end cuts off do not count. */
export function responseTime({ tasks }: Pick<RunRecord, "tasks">): Distribution {
  return distributionOf(tasks.flatMap(burstsOf))
}

function burstsOf({ stays, finishTick }: RecordedTask): readonly number[] {
  const bursts: number[] = []
  let since: number | null = null
  for (const stay of stays) {
    if (stay.state === "blocked") {
      if (since !== null) bursts.push(stay.from - since)
      since = null
    } else since ??= stay.from
  }
  if (since !== null && finishTick !== null) bursts.push(finishTick - since)
  return bursts
}

export function starvation({ tasks, sliceTicks }: Pick<RunRecord, "tasks" | "sliceTicks">): Starvation {
  const longest = tasks.map(({ stays }) => Math.max(0, ...stays.map((stay) => (stay.state === "waiting" ? stay.to - stay.from : 0))))
  return {
    waitMostTicks: Math.max(0, ...longest),
    tasks: longest.filter((ticks) => ticks >= STARVED_SLICES * sliceTicks).length,
  }
}
