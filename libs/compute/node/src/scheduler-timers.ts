/** TIMER decisions: a scheduler is told at a time of its own choice. Its timers end with its stream. */
import { timer } from "@backplane/foundation-actor/effects"
import { virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Decision, Verdict } from "@backplane/schedule-contract/scheduler-messages"
import type { EventStreams } from "./event-streams.ts"
import type { Out } from "./node-context.ts"

type TimerDecision = Extract<Decision, { type: "TIMER" }>

/** Timers that a scheduler may have at a time on one node. */
const TIMERS_MAX = 64
/** Sorts after the timers of CPUs and before "send". */
export const SCHEDULER_TIMER = "sched-timer"

interface Awaited {
  readonly generation: number
  readonly at: VirtualTime
}

export class SchedulerTimers {
  readonly #streams: EventStreams
  /** queue → key → when. */
  readonly #awaited = new Map<string, Map<string, Awaited>>()

  constructor(streams: EventStreams) {
    this.#streams = streams
  }

  /** `earliest`: no timer is due before, or a scheduler could keep the node busy without time getting on. */
  set(queue: string, { key, at: wanted }: TimerDecision, earliest: VirtualTime, out: Out): Verdict {
    const at = virtualTime(Math.max(wanted, earliest))
    const generation = this.#streams.generationOf(queue)
    const own = new Map([...(this.#awaited.get(queue) ?? [])].filter(([, one]) => one.generation === generation))
    this.#awaited.set(queue, own)
    if (!own.has(key) && own.size >= TIMERS_MAX) return "RATE_LIMITED"
    own.set(key, { generation, at })
    out.push(timer(`${SCHEDULER_TIMER}/${queue}/${key}`, at))
    return "OK"
  }

  onTimer(now: VirtualTime, timerKey: string): void {
    const [, queue = "", ...rest] = timerKey.split("/")
    const key = rest.join("/")
    const awaited = this.#awaited.get(queue)?.get(key)
    if (awaited === undefined || awaited.at > now) return
    this.#awaited.get(queue)?.delete(key)
    if (awaited.generation === this.#streams.generationOf(queue)) this.#streams.add(queue, { type: "TIMER", key })
  }
}
