/**
 * An actor that takes time for each message, as a process does: what comes meanwhile waits in its mailbox, first come, first served.
 *
 * The wrapped machine handles a message when its service ends, so all that it says is said then. Its timers go off on time: what a
 * scheduler does in a timer belongs to the service of the message before it. So the mailbox of a scheduler *is* the lock of a run queue:
 * the wait in it is the wait for the lock, the service is what is done while it is held (OSTEP, chapter 10: "measure it").
 */
import { timer } from "@backplane/foundation-actor/effects"
import type { Body, Effect, Input, Machine, Restored } from "@backplane/foundation-actor/machine"
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"

const SERVED_TIMER = "served"

/** What a mailbox saw: cycles. */
export interface MailboxRecord {
  readonly waits: number[]
  /** Time spent in service, all together. */
  busyCycles: number
  longest: number
}

export function emptyMailbox(): MailboxRecord {
  return { waits: [], busyCycles: 0, longest: 0 }
}

type Message = Extract<Input<Body>, { kind: "message" }>

export class ServingMachine implements Machine {
  readonly #inner: Machine
  readonly #serviceCycles: (body: Body) => number
  readonly #record: MailboxRecord
  /** The first is in service. */
  readonly #mailbox: { readonly input: Message; readonly at: VirtualTime }[] = []

  constructor(inner: Machine, options: { readonly serviceCycles: (body: Body) => number; readonly record: MailboxRecord }) {
    this.#inner = inner
    this.#serviceCycles = options.serviceCycles
    this.#record = options.record
  }

  start(now: VirtualTime, restored: Restored): readonly Effect<Body>[] {
    return this.#inner.start(now, restored)
  }

  step(now: VirtualTime, input: Input<Body>): readonly Effect<Body>[] {
    if (input.kind === "message") {
      this.#mailbox.push({ input, at: now })
      this.#record.longest = Math.max(this.#record.longest, this.#mailbox.length)
      return this.#mailbox.length === 1 ? [this.#serve(now)] : []
    }
    if (input.kind !== "timer" || input.key !== SERVED_TIMER) return this.#inner.step(now, input)
    const served = this.#mailbox.shift()
    if (served === undefined) return []
    const effects = this.#inner.step(now, served.input)
    return this.#mailbox.length === 0 ? effects : [...effects, this.#serve(now)]
  }

  #serve(now: VirtualTime): Effect<Body> {
    const next = this.#mailbox[0]
    const cycles = next === undefined ? 0 : this.#serviceCycles(next.input.body)
    this.#record.waits.push(now - (next?.at ?? now))
    this.#record.busyCycles += cycles
    return timer(SERVED_TIMER, after(now, cycles))
  }
}
