/**
 * A history of three replicas of one value: operations, and joins of what others know, as whole states. Beside the states it keeps what
 * happened (who saw what), so that an oracle that knows nothing of states can say what each replica must show.
 */
import type { Json } from "@backplane/foundation-base/json"
import type { CrdtType } from "../crdt/crdt-type.ts"

export const REPLICAS = 3

/** First `replica` joins what `from` knows (if that is another), then does operation number `operation`. */
export interface Step {
  readonly replica: number
  readonly from: number
  readonly operation: number
}

export interface Happened {
  readonly id: number
  readonly writer: string
  readonly time: number
  readonly operation: Json
  /** Ids of all that its replica had seen. */
  readonly saw: ReadonlySet<number>
}

export interface History {
  readonly states: readonly Json[]
  readonly deltas: readonly Json[]
  readonly happened: readonly Happened[]
  /** Ids that each replica has seen. */
  readonly seen: readonly ReadonlySet<number>[]
}

export function play(type: CrdtType, operations: readonly Json[], steps: readonly Step[]): History {
  const states: Json[] = Array.from({ length: REPLICAS }, () => type.empty)
  const seen: Set<number>[] = Array.from({ length: REPLICAS }, () => new Set<number>())
  const times: number[] = new Array<number>(REPLICAS).fill(0)
  const deltas: Json[] = []
  const happened: Happened[] = []
  for (const [id, { replica, from, operation }] of steps.entries()) {
    if (from !== replica) {
      states[replica] = type.merge(at(states, replica), at(states, from))
      for (const other of at(seen, from)) at(seen, replica).add(other)
      times[replica] = Math.max(at(times, replica), at(times, from))
    }
    const time = at(times, replica) + 1
    times[replica] = time
    const writer = `r${replica}`
    const asked = at(operations, operation % operations.length)
    const result = type.delta(at(states, replica), asked, { writer, time })
    if ("bad" in result) throw new Error(`an operation of the test is bad: ${result.bad}`)
    happened.push({ id, writer, time, operation: asked, saw: new Set(at(seen, replica)) })
    at(seen, replica).add(id)
    deltas.push(result.delta)
    states[replica] = type.merge(at(states, replica), result.delta)
  }
  return { states, deltas, happened, seen }
}

function at<T>(list: readonly T[], index: number): T {
  return list[index] as T
}
