/**
 * A machine in lock-step without a bus: clock, ports and what is on its way between them, delivered in any order that the seed
 * says, with loss and copies where asked for. Writes reach the disk after a while of their own.
 */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Body, Effect, Machine } from "@backplane/foundation-actor/machine"
import { virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { assert, unreachable } from "@backplane/foundation-base/assert"
import { Random } from "@backplane/foundation-base/random"
import { ClockMachine } from "../clock-machine.ts"
import { LockstepPort } from "../lockstep-port.ts"
import type { StampedMessage } from "../port-outflow.ts"
import type { ClockHears, LockstepGrant, PortHears, PortId } from "../protocol.ts"
import type { Steppable } from "../port-actor.ts"

export const CLOCK = actorId("clock.0")
const RETRY = 10
const DEAD = 1000

export interface ShuffledRunOptions {
  readonly seed: number
  readonly latencyCycles: number
  readonly persistLatencyCycles: number
  readonly actors: readonly ActorId[]
  /** Share of frames lost, and of frames doubled. */
  readonly loss?: number
  readonly copies?: number
  /** Spoils a message on its way: a planted bug. */
  readonly spoil?: (message: StampedMessage) => StampedMessage
  /** Spoils what the clock says: a planted bug. */
  readonly spoilGrant?: (grant: LockstepGrant) => LockstepGrant
  /** What the clock takes the latency for: a planted bug where it is more. */
  readonly clockLatencyCycles?: number
}

type Frame =
  | { readonly to: "clock"; readonly from: PortId; readonly body: ClockHears }
  | { readonly to: PortId; readonly from: ActorId; readonly control: PortHears }
  | { readonly to: ActorId; readonly message: StampedMessage }

interface Process {
  readonly port: LockstepPort
  readonly hosted: Set<ActorId>
  ready: boolean
}

export class ShuffledRun {
  readonly clock: ClockMachine
  readonly processes = new Map<PortId, Process>()
  readonly expelled: PortId[] = []
  /** Frames taken off the wire. */
  frames = 0
  readonly #options: ShuffledRunOptions
  readonly #random: Random
  #wire: Frame[] = []
  /** Writes under way: done at any time. */
  #disk: (() => void)[] = []
  #wall = virtualTime(0)
  #alarm: VirtualTime | null = null

  constructor(options: ShuffledRunOptions) {
    this.#options = options
    this.#random = new Random(`wire/${options.seed}`)
    this.clock = this.newClock(1)
  }

  newClock(life: number): ClockMachine {
    const { actors, latencyCycles, clockLatencyCycles = latencyCycles } = this.#options
    return new ClockMachine({ life, actors, latencyCycles: clockLatencyCycles, until: null, retryCycles: RETRY, deadCycles: DEAD })
  }

  addProcess(name: string, incarnation: string, actors: readonly { readonly id: ActorId; readonly machine: Machine }[]): void {
    const id = actorId(`port-${name}.0`)
    const port = new LockstepPort({
      port: id,
      incarnation,
      latencyCycles: this.#options.latencyCycles,
      persistLatencyCycles: this.#options.persistLatencyCycles,
      output: {
        publish: (message) => this.#put({ to: message.to, message: this.#options.spoil?.(message) ?? message }),
        toClock: (body) => this.#put({ to: "clock", from: id, body }),
        toPort: (to, body) => this.#put({ to, from: id, control: body }),
        ready: () => (process.ready = true),
        expelled: () => this.expelled.push(id),
        left: () => undefined,
      },
    })
    const process: Process = { port, hosted: new Set(actors.map((each) => each.id)), ready: false }
    this.processes.set(id, process)
    for (const each of actors) port.add(each.id, this.#steppable(port, each.id, each.machine))
  }

  /** As `kill -9`: what it had said is still on the wire. */
  kill(name: string): void {
    this.processes.delete(actorId(`port-${name}.0`))
  }

  inject(from: ActorId, to: ActorId, body: Body): void {
    for (const { port, hosted } of this.processes.values()) if (hosted.has(to)) port.onExternal({ from, to, body, trace: undefined })
  }

  status(): { readonly idle: boolean; readonly grants: number; readonly time: number; readonly lost: readonly ActorId[] } {
    const [effect] = this.clock.step(this.#wall, { kind: "message", from: CLOCK, body: { kind: "LockstepQuery" } })
    assert(effect?.kind === "send" && effect.body.kind === "LockstepStatus", "a query is answered")
    return effect.body
  }

  /** Runs until nobody has anything left to do, or `framesMax` frames. */
  runUntilIdle(framesMax = 200_000): void {
    // A hello may be on its way, or lost: idle is who stays so for a while.
    let quiet = 0
    for (let count = 0; count < framesMax; count++) {
      if (this.#turn()) continue
      quiet = this.status().idle ? quiet + 1 : 0
      if (quiet === 5) return
    }
    assert(false, `the run did not end within ${framesMax} turns`)
  }

  run(turns: number): void {
    for (let count = 0; count < turns; count++) this.#turn()
  }

  /** One thing happens. False when only the wall clock can go on. */
  #turn(): boolean {
    const choices: (() => void)[] = []
    if (this.#wire.length > 0) choices.push(() => this.#deliver())
    const ready = [...this.processes.values()].filter((process) => process.ready)
    if (ready.length > 0) choices.push(() => this.#runSome(this.#random.pick(ready)))
    if (this.#disk.length > 0 && this.#random.chance(0.2)) choices.push(() => this.#finishWrite())
    const choice = choices.length === 0 ? undefined : this.#random.pick(choices)
    choice?.()
    if (choice === undefined || this.#random.chance(0.01)) this.#passTime()
    return choice !== undefined
  }

  #put(frame: Frame): void {
    const { loss = 0, copies = 0 } = this.#options
    if (this.#random.chance(loss)) return
    this.#wire.push(frame)
    if (this.#random.chance(copies)) this.#wire.push(frame)
  }

  #deliver(): void {
    this.frames++
    const index = this.#random.below(this.#wire.length)
    const frame = this.#wire[index] as Frame
    this.#wire[index] = this.#wire[this.#wire.length - 1] as Frame
    this.#wire.pop()
    if (frame.to === "clock" && "body" in frame) return this.#clockStep(frame.from, frame.body)
    if ("control" in frame) return this.processes.get(frame.to)?.port.onControl(frame.from, frame.control)
    if (!("message" in frame)) return
    for (const { port, hosted } of this.processes.values()) if (hosted.has(frame.message.to)) port.onMessage(frame.message)
  }

  #clockStep(from: ActorId, body: ClockHears): void {
    this.#carryOut(this.clock.step(this.#wall, { kind: "message", from, body }))
  }

  #carryOut(effects: ReturnType<ClockMachine["step"]>): void {
    for (const effect of effects) {
      if (effect.kind === "timer") this.#alarm = effect.at
      if (effect.kind === "send" && effect.body.kind !== "LockstepStatus")
        this.#put({ to: effect.to, from: CLOCK, control: this.#spoilt(effect.body) })
    }
  }

  #spoilt(body: PortHears): PortHears {
    return body.kind === "LockstepGrant" ? (this.#options.spoilGrant?.(body) ?? body) : body
  }

  #runSome(process: Process): void {
    const result = process.port.run(1 + this.#random.below(10))
    if (this.#random.chance(0.05)) process.port.cutShort()
    process.ready = result === "more"
  }

  #finishWrite(): void {
    const index = this.#random.below(this.#disk.length)
    this.#disk.splice(index, 1)[0]?.()
  }

  #passTime(): void {
    this.#wall = virtualTime(this.#wall + RETRY)
    if (this.#alarm !== null && this.#alarm <= this.#wall) {
      this.#alarm = null
      this.#carryOut(this.clock.step(this.#wall, { kind: "timer", key: "watch" }))
    }
    for (const { port } of this.processes.values()) {
      port.tick("resend")
      port.tick("hello")
    }
    if (this.#disk.length > 0) this.#finishWrite()
  }

  #steppable(port: LockstepPort, id: ActorId, machine: Machine): Steppable {
    const carryOut = (effects: readonly Effect<Body>[]): void => {
      for (const effect of effects) {
        switch (effect.kind) {
          case "send":
            port.send(id, effect.to, effect.body, undefined)
            break
          case "timer":
            port.timer(id, effect.key, effect.at)
            break
          case "cancel":
            port.cancel(id, effect.key)
            break
          case "persist":
            this.#disk.push(port.persist(id, effect.key))
            break
          case "span":
          case "event":
            break
          default:
            unreachable(effect)
        }
      }
    }
    return { start: (now) => carryOut(machine.start(now, new Map())), step: (now, input) => carryOut(machine.step(now, input)) }
  }
}
