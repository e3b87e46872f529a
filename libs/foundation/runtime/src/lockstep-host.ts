/**
 * Runs the actors of one machine in lock-step: the I/O around `LockstepPort` (foundation/lockstep), which decides.
 *
 * Effects mean what they mean in the simulation: a send is due a bus latency later, to itself too; a timer of the past is due
 * now; `persisted` comes at now + persist latency, but not before the write is on disk.
 */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Bus } from "@backplane/foundation-actor/bus"
import type { Envelope } from "@backplane/foundation-actor/envelope"
import { assert } from "@backplane/foundation-base/assert"
import { LockstepPort, type PortOutput } from "@backplane/foundation-lockstep/lockstep-port"
import type { PortHears, PortId } from "@backplane/foundation-lockstep/protocol"
import { ActorRunner, type EffectHandler, type HostServices } from "./actor-runner.ts"
import type { ActorReport, LockStepMode } from "./control-protocol.ts"
import type { ActorToHost, MachineHost, OnFatal } from "./machine-host.ts"
import type { ActorStore, Store } from "./store.ts"

const CLOCK = actorId("clock.0")
const INPUTS_PER_TURN = 256
/** A turn ends sooner where its inputs take long: the clock's questions must be heard, or it gives us up. Looked at after so many inputs. */
const TURN_MILLISECONDS_MAX = 10
const INPUTS_PER_LOOK = 4
/** Turns in microtasks before I/O gets its own. */
const TURNS_BEFORE_YIELD = 16
/** A grant without an end is given back after this, so that others may join and be heard. */
const GRANT_MILLISECONDS_MAX = 50
const RESEND_EVERY_MILLISECONDS = 20
const HELLO_EVERY_TICKS = 50

export interface LockstepHostOptions extends HostServices {
  readonly machineName: string
  readonly service: string
  readonly instance: string
  /** New at each start of the process. */
  readonly incarnation: string
  readonly mode: LockStepMode
  readonly bus: Bus
  readonly store: Store
  readonly onFatal: OnFatal
}

interface Hosted {
  readonly epoch: number
  readonly runner: ActorRunner
}

/** The name under which a process takes part in lock-step. */
function portIdOf(service: string, instance: string): PortId {
  return actorId(`port-${service}.${instance}`)
}

export class LockstepHost implements MachineHost {
  readonly #options: LockstepHostOptions
  readonly #portId: PortId
  readonly #port: LockstepPort
  readonly #actors = new Map<ActorId, Hosted>()
  /** Ends of subscriptions: of actors that are here or that others may still be writing to. */
  readonly #ears = new Map<ActorId, () => void>()
  readonly #leavePort: () => void
  readonly #ticker: NodeJS.Timeout
  #ticks = 0
  #turns = 0
  #turnPending = false
  /** When the run under way began; null while nothing runs. */
  #runningSince: number | null = null
  #failed = false

  constructor(options: LockstepHostOptions) {
    const { machineName, service, instance, incarnation, mode, bus } = options
    this.#options = options
    this.#portId = portIdOf(service, instance)
    const { latencyCycles, persistLatencyCycles } = mode
    this.#port = new LockstepPort({ port: this.#portId, incarnation, latencyCycles, persistLatencyCycles, output: this.#output() })
    this.#leavePort = bus.subscribe(machineName, this.#portId, ({ from, body }) => {
      // The codec has checked what comes from the bus.
      if (body.kind.startsWith("Lockstep")) this.#guard(this.#portId, () => this.#port.onControl(from, body as PortHears))
    })
    this.#ticker = setInterval(() => this.#onTick(), RESEND_EVERY_MILLISECONDS)
  }

  async add({ actor, epoch, machine }: ActorToHost): Promise<void> {
    assert(!this.#actors.has(actor), `${actor} is hosted once`)
    const { machineName, store } = this.#options
    const disk = store.open(machineName, actor)
    const restored = await disk.load()
    const runner = new ActorRunner({ ...this.#options, actor, machine, restored, handler: this.#handlerOf(actor, disk) })
    this.#actors.set(actor, { epoch, runner })
    if (!this.#ears.has(actor))
      this.#ears.set(
        actor,
        this.#options.bus.subscribe(machineName, actor, (envelope) => this.#onEnvelope(envelope)),
      )
    this.#port.add(actor, runner)
  }

  remove(actor: ActorId): boolean {
    const hosted = this.#actors.get(actor)
    if (hosted === undefined) return false
    this.#actors.delete(actor)
    this.#port.remove(actor)
    this.#close(actor, hosted, "the actor was taken off this service")
    return true
  }

  has(actor: ActorId): boolean {
    return this.#actors.has(actor)
  }

  epochOf(actor: ActorId): number | null {
    return this.#actors.get(actor)?.epoch ?? null
  }

  reports(): readonly ActorReport[] {
    const { machineName } = this.#options
    const { repeated, late, unknown, externalDropped } = this.#port.counts
    const inboxDropped = repeated + late + unknown + externalDropped
    return [...this.#actors].map(([actor, { epoch, runner }]) => {
      const sent = this.#port.sentBy(actor)
      return {
        machine: machineName,
        actor,
        epoch,
        mode: "lock-step",
        inboxLength: 0,
        inboxDropped,
        inputs: runner.inputs,
        sent,
        timers: 0,
        now: this.#port.through,
      }
    })
  }

  stop(reason: string): void {
    clearInterval(this.#ticker)
    for (const [actor, hosted] of this.#actors) this.#close(actor, hosted, reason)
    this.#actors.clear()
    for (const leave of this.#ears.values()) leave()
    this.#ears.clear()
    this.#leavePort()
    this.#failed = true
  }

  #close(actor: ActorId, { runner }: Hosted, reason: string): void {
    const { store, machineName } = this.#options
    runner.close(this.#port.through, reason)
    store.release?.(machineName, actor)
  }

  #output(): PortOutput {
    const { machineName, bus, onFatal } = this.#options
    const from = this.#portId
    return {
      publish: ({ at, sequence, trace, ...message }) => {
        const stamped = { machine: machineName, from: message.from, to: message.to, body: message.body, stamp: { at, sequence } }
        bus.publish(trace === undefined ? stamped : { ...stamped, trace })
      },
      toClock: (body) => bus.publish({ machine: machineName, from, to: CLOCK, body }),
      toPort: (to, body) => bus.publish({ machine: machineName, from, to, body }),
      ready: () => this.#wake(),
      left: (actor) => {
        this.#ears.get(actor)?.()
        this.#ears.delete(actor)
      },
      expelled: () => onFatal(new Error(`the machine clock went on without ${from}: it did not answer in time`), from),
    }
  }

  #handlerOf(actor: ActorId, disk: ActorStore): EffectHandler {
    return {
      send: (to, body, trace) => this.#port.send(actor, to, body, trace),
      timer: (key, at) => this.#port.timer(actor, key, at),
      cancel: (key) => this.#port.cancel(actor, key),
      persist: (key, value) => {
        const written = this.#port.persist(actor, key)
        disk.write(key, value, (error) => (error === null ? written() : this.#fail(actor, error)))
      },
    }
  }

  #onEnvelope({ from, to, body, trace, stamp }: Envelope): void {
    if (this.#failed) return
    this.#guard(to, () => {
      if (stamp === undefined) this.#port.onExternal({ from, to, body, trace })
      else this.#port.onMessage({ from, to, body, trace, ...stamp })
    })
  }

  #wake(): void {
    if (this.#turnPending || this.#failed) return
    this.#turnPending = true
    if (++this.#turns % TURNS_BEFORE_YIELD === 0) setImmediate(this.#turn)
    else queueMicrotask(this.#turn)
  }

  readonly #turn = (): void => {
    this.#turnPending = false
    if (this.#failed) return
    const now = performance.now()
    this.#runningSince ??= now
    if (now - this.#runningSince > GRANT_MILLISECONDS_MAX) this.#port.cutShort()
    const result = this.#guard(this.#portId, () => this.#runFrom(now))
    if (result !== "more") this.#runningSince = null
    if (result !== "more" || this.#failed) return
    this.#turnPending = true
    setImmediate(this.#turn)
  }

  /** The inputs of a turn. */
  #runFrom(now: number): ReturnType<LockstepPort["run"]> {
    for (let left = INPUTS_PER_TURN; left > 0; left -= INPUTS_PER_LOOK) {
      const result = this.#port.run(INPUTS_PER_LOOK)
      if (result !== "more" || performance.now() - now > TURN_MILLISECONDS_MAX) return result
    }
    return "more"
  }

  #onTick(): void {
    this.#guard(this.#portId, () => this.#port.tick(this.#ticks++ % HELLO_EVERY_TICKS === 0 ? "hello" : "resend"))
  }

  #guard<Result>(actor: ActorId, action: () => Result): Result | null {
    try {
      return action()
    } catch (error) {
      this.#fail(actor, error instanceof Error ? error : new Error(String(error)))
      return null
    }
  }

  #fail(actor: ActorId, error: Error): void {
    if (this.#failed) return
    this.#failed = true
    const { events, machineName, onFatal } = this.#options
    const fields = { error: error.name, message: error.message, stack: error.stack ?? "" }
    events.event({ name: "host.fatal", level: "error", machine: machineName, actor, at: this.#port.through, fields })
    onFatal(error, actor)
  }
}
