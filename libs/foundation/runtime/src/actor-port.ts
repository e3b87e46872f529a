/**
 * An actor beside ordinary code: hosts one machine and lets that code act through it, for processes that ask and do not serve.
 *
 * `act` runs a piece of the machine's own interface and carries out the effects; what is asked in one turn of the event loop leaves together,
 * because `settle` is called once at its end. Sends, timers and cancels are carried out; such an actor keeps nothing on disk.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Bus } from "@backplane/foundation-actor/bus"
import type { Body, Effect, Input } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { FreeTimers } from "./free-timers.ts"
import type { PacedClock } from "./paced-clock.ts"

export interface PortMachine<Hears extends Body, Says extends Body> {
  step(now: VirtualTime, input: Input<Hears>): readonly Effect<Says>[]
  /** The end of a turn: what was gathered leaves. */
  settle(now: VirtualTime): readonly Effect<Says>[]
}

export interface ActorPortOptions<Hears extends Body, Says extends Body> {
  readonly bus: Bus
  readonly machineName: string
  readonly actor: ActorId
  readonly machine: PortMachine<Hears, Says>
  readonly clock: PacedClock
}

export class ActorPort<Hears extends Body, Says extends Body> {
  readonly #options: ActorPortOptions<Hears, Says>
  readonly #timers = new FreeTimers<ActorId>()
  readonly #leave: () => void
  #sleep: NodeJS.Timeout | null = null
  #settling = false
  #open = true

  constructor(options: ActorPortOptions<Hears, Says>) {
    this.#options = options
    const { bus, machineName, actor, machine } = options
    this.#leave = bus.subscribe(machineName, actor, ({ from, body }) => {
      // The codec of the bus has checked the shape.
      if (this.#open) this.act((now) => machine.step(now, { kind: "message", from, body: body as Hears }))
    })
  }

  act(action: (now: VirtualTime) => readonly Effect<Says>[]): void {
    this.#carryOut(action(this.#options.clock.now()))
    if (this.#settling) return
    this.#settling = true
    queueMicrotask(() => {
      this.#settling = false
      if (!this.#open) return
      this.#carryOut(this.#options.machine.settle(this.#options.clock.now()))
      this.#rest()
    })
  }

  close(): void {
    this.#open = false
    this.#leave()
    if (this.#sleep !== null) clearTimeout(this.#sleep)
  }

  #carryOut(effects: readonly Effect<Says>[]): void {
    const { bus, machineName, actor } = this.#options
    for (const effect of effects) {
      if (effect.kind === "send") bus.publish({ machine: machineName, from: actor, to: effect.to, body: effect.body })
      else if (effect.kind === "timer") this.#timers.set(actor, { key: effect.key, at: effect.at, setAt: this.#options.clock.now() })
      else if (effect.kind === "cancel") this.#timers.cancel(actor, effect.key)
    }
  }

  #rest(): void {
    const next = this.#timers.nextTime()
    if (next === null || this.#sleep !== null) return
    this.#sleep = setTimeout(this.#onAlarm, Math.max(1, this.#options.clock.millisecondsUntil(next)))
  }

  readonly #onAlarm = (): void => {
    this.#sleep = null
    for (;;) {
      const due = this.#timers.take(this.#options.clock.now())
      if (due === null) break
      this.act((now) => this.#options.machine.step(now, { kind: "timer", key: due.key }))
    }
    this.#rest()
  }
}
