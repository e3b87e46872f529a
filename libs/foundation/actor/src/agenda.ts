/**
 * What one actor still has to handle, in the one order that the simulation and a lock-step run share.
 *
 * Order of inputs: (virtual time, class, key), where classes are persisted < message < timer, messages go by (sender,
 * sender's sequence) and the others by key. Because this order needs nothing but the inputs themselves, a live run in
 * lock-step hands every actor the same inputs in the same order as the simulation does, whatever the process layout.
 */
import { PriorityQueue } from "@backplane/foundation-base/priority-queue"
import { compareText } from "@backplane/foundation-base/json"
import { compareActors, type ActorId } from "./actor-id.ts"
import type { Body } from "./machine.ts"
import type { TraceContext } from "./trace-context.ts"
import type { VirtualTime } from "./virtual-time.ts"

export interface DueMessage {
  readonly class: "message"
  readonly at: VirtualTime
  readonly from: ActorId
  /** Counts the sender's messages: unique per sender. A copy made by a fault has the same number. */
  readonly sequence: number
  readonly body: Body
  readonly trace?: TraceContext
}

export interface DueKey {
  readonly class: "persisted" | "timer"
  readonly at: VirtualTime
  readonly key: string
}

export type Due = DueMessage | DueKey

const CLASS_ORDER = { persisted: 0, message: 1, timer: 2 } as const

/** The total order above. */
function compareDue(a: Due, b: Due): number {
  if (a.at !== b.at) return a.at - b.at
  if (a.class !== b.class) return CLASS_ORDER[a.class] - CLASS_ORDER[b.class]
  if (a.class === "message" && b.class === "message") return compareActors(a.from, b.from) || a.sequence - b.sequence
  if (a.class !== "message" && b.class !== "message") return compareText(a.key, b.key)
  return 0
}

export class Agenda {
  readonly #due = new PriorityQueue<Due>(compareDue)
  /** The valid time of each timer; an entry in the heap that disagrees was replaced or cancelled. */
  readonly #timers = new Map<string, VirtualTime>()

  /** Time of the earliest input, or null when there is nothing to do. */
  nextTime(): VirtualTime | null {
    this.#dropStale()
    return this.#due.peek()?.at ?? null
  }

  addMessage(message: Omit<DueMessage, "class">): void {
    this.#due.push({ class: "message", ...message })
  }

  addPersisted(key: string, at: VirtualTime): void {
    this.#due.push({ class: "persisted", key, at })
  }

  /** Sets or replaces the timer `key`. */
  setTimer(key: string, at: VirtualTime): void {
    if (this.#timers.get(key) === at) return
    this.#timers.set(key, at)
    this.#due.push({ class: "timer", key, at })
  }

  cancelTimer(key: string): void {
    this.#timers.delete(key)
  }

  /** Takes the first input that is due at or before `now`, or null. */
  take(now: VirtualTime): Due | null {
    this.#dropStale()
    const first = this.#due.peek()
    if (first === undefined || first.at > now) return null
    this.#due.pop()
    if (first.class === "timer") this.#timers.delete(first.key)
    return first
  }

  #dropStale(): void {
    for (;;) {
      const first = this.#due.peek()
      if (first?.class !== "timer" || this.#timers.get(first.key) === first.at) return
      this.#due.pop()
    }
  }
}
