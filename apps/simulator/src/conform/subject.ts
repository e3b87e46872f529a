/** A scheduler under test, as the kit sees it: it hears messages and says messages; where it runs is its own business. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Body, Effect, Machine } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"

/** Something that a scheduler said. */
export interface Said {
  readonly to: ActorId
  readonly body: Body
}

export interface Subject {
  start(now: VirtualTime): Promise<readonly Said[]>
  /** All that it says on this message. A message that asks for an answer is waited for, to a deadline. */
  hear(now: VirtualTime, from: ActorId, body: Body): Promise<readonly Said[]>
  /** When it wants to be woken next, in virtual time; null: never, or by its own clock. */
  nextDue(): VirtualTime | null
  due(now: VirtualTime): Promise<readonly Said[]>
  close(): Promise<void>
}

/** What the bus lets through: null for a message that is none. */
export type Edge = (body: Body) => Body | null

/** A machine of this process. */
export class MachineSubject implements Subject {
  readonly #machine: Machine
  readonly #edge: Edge
  readonly #timers = new Map<string, VirtualTime>()

  constructor(machine: Machine, edge: Edge) {
    this.#machine = machine
    this.#edge = edge
  }

  start(now: VirtualTime): Promise<readonly Said[]> {
    return this.#done(this.#machine.start(now, new Map()))
  }

  hear(now: VirtualTime, from: ActorId, body: Body): Promise<readonly Said[]> {
    return this.#done(this.#machine.step(now, { kind: "message", from, body }))
  }

  nextDue(): VirtualTime | null {
    const times = [...this.#timers.values()]
    return times.length === 0 ? null : times.reduce((a, b) => (b < a ? b : a))
  }

  due(now: VirtualTime): Promise<readonly Said[]> {
    const due = [...this.#timers].filter(([, at]) => at <= now).sort(([a, at], [b, bt]) => at - bt || (a < b ? -1 : 1))
    const key = due[0]?.[0]
    if (key === undefined) return Promise.resolve([])
    this.#timers.delete(key)
    return this.#done(this.#machine.step(now, { kind: "timer", key }))
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #done(effects: readonly Effect<Body>[]): Promise<readonly Said[]> {
    const said: Said[] = []
    for (const effect of effects) {
      if (effect.kind === "timer") this.#timers.set(effect.key, effect.at)
      else if (effect.kind === "cancel") this.#timers.delete(effect.key)
      else if (effect.kind === "send") {
        const body = this.#edge(effect.body)
        said.push({ to: effect.to, body: body ?? { kind: "garbage" } })
      }
    }
    return Promise.resolve(said)
  }
}
