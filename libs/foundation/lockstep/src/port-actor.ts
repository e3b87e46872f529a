/** One actor of a port: what it still has to handle, and its writes that are not on disk yet. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { Agenda, type Due } from "@backplane/foundation-actor/agenda"
import type { Body, Input } from "@backplane/foundation-actor/machine"
import type { TraceContext } from "@backplane/foundation-actor/trace-context"
import { virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { assert } from "@backplane/foundation-base/assert"

/** The machine and its effect loop, as the port's host provides them. Effects come back through the port's own methods. */
export interface Steppable {
  start(now: VirtualTime): void
  step(now: VirtualTime, input: Input<Body>, trace?: TraceContext): void
}

export class PortActor {
  readonly id: ActorId
  readonly machine: Steppable
  readonly agenda = new Agenda()
  /** When this life began; null before its start has a time. */
  since: VirtualTime | null = null
  /** Before its start it handles nothing. */
  isStarted = false
  /** Messages sent in this life. */
  sent = 0
  /** By key, oldest first: whether that write is on disk. The `persisted` inputs of a key come in this order. */
  readonly #writes = new Map<string, { done: boolean }[]>()
  /** Taken from the agenda, but its write is not on disk. */
  #held: { readonly due: Due; readonly write: { done: boolean } } | null = null

  constructor(id: ActorId, machine: Steppable) {
    this.id = id
    this.machine = machine
  }

  nextTime(): VirtualTime | null {
    if (this.#held !== null) return this.#held.due.at
    return this.isStarted ? this.agenda.nextTime() : this.since
  }

  /** Its first step. What came for a former life is dropped. */
  start(now: VirtualTime): void {
    this.isStarted = true
    if (now > 0) while (this.agenda.take(virtualTime(now - 1)) !== null);
    this.machine.start(now)
  }

  /** A write was asked for; the returned function says that it is on disk. */
  writes(key: string): () => void {
    const write = { done: false }
    const writes = this.#writes.get(key)
    if (writes === undefined) this.#writes.set(key, [write])
    else writes.push(write)
    return () => {
      write.done = true
    }
  }

  /** Takes the next input that is due at or before `now`; "blocked" where its write is not on disk. */
  take(now: VirtualTime): Due | "blocked" | null {
    if (this.#held !== null) {
      if (!this.#held.write.done) return "blocked"
      const { due } = this.#held
      this.#held = null
      return due
    }
    const due = this.agenda.take(now)
    if (due?.class !== "persisted") return due
    const writes = this.#writes.get(due.key)
    const write = writes?.shift()
    assert(write !== undefined, "a persisted input has its write")
    if (writes?.length === 0) this.#writes.delete(due.key)
    if (write.done) return due
    this.#held = { due, write }
    return "blocked"
  }
}
