/**
 * A deterministic world: pure machines on a simulated bus, under one seed. It knows no subsystem and no real clock.
 *
 * Order: by virtual time, then by `compareActors`, then the actor's own agenda (foundation/actor/agenda): the order that a
 * live run in lock-step shares. At one time, actions of the world (faults, scripts) come before all inputs. Without faults
 * a message sent at t is due at t + latency. Whatever is thrown inside ends the run with a `SimulationFailure`.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import { PriorityQueue } from "@backplane/foundation-base/priority-queue"
import { Random } from "@backplane/foundation-base/random"
import { compareActors, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Due } from "@backplane/foundation-actor/agenda"
import type { Body, Input, Machine } from "@backplane/foundation-actor/machine"
import { after, TIME_ZERO, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { ActorHost, type ActorState, type MachineFactory } from "./actor-host.ts"
import { EffectCarrier, type EventWatcher, type MessageWatcher, type WorldCounts } from "./effect-carrier.ts"
import type { UnsyncedLoss } from "./disk.ts"
import { FaultDriver } from "./fault-driver.ts"
import { Network } from "./network.ts"
import { ReadyQueue } from "./ready-queue.ts"
import { RunRecord } from "./run-record.ts"
import { RunGuard } from "./run-guard.ts"
import { worldSettings, type WorldOptions, type WorldSettings } from "./world-options.ts"

export type Checker = (world: World) => void

export interface RunResult {
  /** `quiet`: nobody has anything left to do. */
  readonly reason: "quiet" | "until" | "stop"
  readonly now: VirtualTime
  /** Inputs handled in this run. */
  readonly steps: number
}

interface Action {
  readonly at: VirtualTime
  readonly order: number
  readonly run: () => void
}

export class World {
  readonly settings: WorldSettings
  readonly #random: Random
  readonly #hosts = new Map<ActorId, ActorHost>()
  readonly #ready = new ReadyQueue<ActorHost>()
  readonly #actions = new PriorityQueue<Action>((a, b) => a.at - b.at || a.order - b.order)
  readonly #network: Network
  readonly #record: RunRecord
  readonly #carrier: EffectCarrier
  readonly #driver: FaultDriver | null
  readonly #guard: RunGuard
  #now: VirtualTime = TIME_ZERO
  #steps = 0
  #actionsMade = 0
  /** Hosts in the order of actors. */
  #ordered: readonly ActorHost[] = []
  #fresh: ActorHost[] = []
  #armed = false

  readonly #crashWatchers: ((actor: ActorId) => void)[] = []

  constructor(options: WorldOptions) {
    this.settings = worldSettings(options)
    const { seed, latency, faults } = this.settings
    this.#random = new Random(seed)
    this.#network = new Network({ latency, faults, random: this.#random.fork("network") })
    this.#record = new RunRecord(this.settings)
    this.#guard = new RunGuard({ settings: this.settings, record: this.#record, now: () => this.#now })
    this.#carrier = new EffectCarrier({
      settings: this.settings,
      network: this.#network,
      record: this.#record,
      ready: this.#ready,
      hosts: this.#hosts,
    })
    this.#driver = faults === null ? null : new FaultDriver(faults, this, this.#random.fork("faults"))
  }

  get now(): VirtualTime {
    return this.#now
  }

  /** Inputs handled since the beginning. */
  get steps(): number {
    return this.#steps
  }

  get counts(): WorldCounts {
    return this.#carrier.counts
  }

  /** All actors, in their order. */
  get actors(): readonly ActorId[] {
    return this.#ordered.map((host) => host.id)
  }

  /** Over everything handled and answered so far: equal for equal runs. */
  get fingerprint(): string {
    return this.#record.fingerprint()
  }

  /** The last lines of the trace. */
  trace(last?: number): string[] {
    return this.#record.trace.lines(last)
  }

  /** How many lines the trace has had in all. */
  get traceCount(): number {
    return this.#record.trace.count
  }

  /** Hosts an actor; it starts when the world next runs. */
  add(id: ActorId, factory: MachineFactory): void {
    assert(!this.#hosts.has(id), `world: ${id} is hosted once`)
    const host = new ActorHost({ id, factory, spanIds: this.settings.spans === null ? null : this.#random.fork("spans") })
    this.#hosts.set(id, host)
    this.#fresh.push(host)
    this.#ordered = [...this.#hosts.values()].sort((a, b) => compareActors(a.id, b.id))
    this.#ordered.forEach((other, rank) => (other.rank = rank))
  }

  /** A message from outside the world, sent now: takes the same way as any other. `from` is no hosted actor. */
  inject(message: { readonly from: ActorId; readonly to: ActorId; readonly body: Body }): void {
    assert(!this.#hosts.has(message.from), `world: ${message.from} is hosted and speaks for itself`)
    this.#guard.run("world", () => this.#carrier.inject(this.#now, message))
  }

  /** Runs `action` at `time`, before the inputs of that time. */
  at(time: VirtualTime, action: () => void): void {
    assert(time >= this.#now, "world: an action is not in the past")
    this.#actions.push({ at: time, order: this.#actionsMade++, run: action })
  }

  /** `check` throws where the world is wrong; it is called after every step, or after every `every` steps. */
  addChecker(name: string, check: Checker, options: { readonly every?: number } = {}): void {
    this.#guard.addChecker({ name, check: () => check(this), every: options.every ?? 1 })
  }

  /** Calls `watch` for every message sent, lost ones too. */
  onMessage(watch: MessageWatcher): void {
    this.#carrier.onMessage(watch)
  }

  /** Calls `watch` for every actor whose life has just ended. */
  onCrash(watch: (actor: ActorId) => void): void {
    this.#crashWatchers.push(watch)
  }

  /** Calls `watch` for every event effect. */
  onEvent(watch: EventWatcher): void {
    this.#carrier.onEvent(watch)
  }

  stateOf(actor: ActorId): ActorState {
    return this.#host(actor).state
  }

  incarnationOf(actor: ActorId): number {
    return this.#host(actor).incarnation
  }

  /** The machine of `actor`, as an object of `type`: for checkers. Null before its start. */
  inspect<Kind extends Machine>(actor: ActorId, type: abstract new (...args: never[]) => Kind): Kind | null {
    const machine = this.#host(actor).machine
    if (machine === null) return null
    assert(machine instanceof type, `world: ${actor} is a ${type.name}`)
    return machine
  }

  /** What `actor` would find on its disk. */
  restored(actor: ActorId): ReturnType<ActorHost["disk"]["restored"]> {
    const { disk } = this.#host(actor)
    disk.sync(this.#now)
    return disk.restored()
  }

  /** Handles inputs in order until nothing is left, `until` is passed, or `stop` says so after a step. */
  run(options: { readonly until?: VirtualTime; readonly stop?: () => boolean } = {}): RunResult {
    const before = this.#steps
    const result = (reason: RunResult["reason"]): RunResult => ({ reason, now: this.#now, steps: this.#steps - before })
    if (!this.#armed) {
      this.#armed = true
      this.#driver?.arm()
    }
    for (;;) {
      if (this.#fresh.length > 0) this.#startFresh()
      const host = this.#ready.first()
      const action = this.#actions.peek()
      const hostAt = host?.readyAt ?? null
      const isAction = action !== undefined && (hostAt === null || action.at <= hostAt)
      const next = isAction ? action.at : hostAt
      if (next === null || (options.until !== undefined && next > options.until)) {
        if (options.until !== undefined && options.until > this.#now) this.#now = options.until
        return result(next === null ? "quiet" : "until")
      }
      this.#now = next
      if (isAction) {
        this.#actions.pop()
        this.#guard.run("world", action.run)
      } else {
        this.#step(defined(host ?? undefined, "who is due is there"))
      }
      if (options.stop?.() === true) return result("stop")
    }
  }

  /** After the faults: what is not done `within` so many cycles from now never will be. */
  demandProgress(demand: { readonly what: string; readonly within: number; readonly done: () => boolean }): void {
    if (demand.done()) return
    this.run({ until: after(this.#now, demand.within), stop: demand.done })
    if (!demand.done()) throw this.#guard.failure(`no progress: ${demand.what} within ${demand.within} cycles`, "world")
  }

  /** Ends the life of `actor`: what it knew is gone, but for its disk. Messages that reach it while it is down are lost. */
  crash(actor: ActorId, options: { readonly loseUnsynced?: boolean | UnsyncedLoss } = {}): void {
    const host = this.#host(actor)
    host.end()
    host.disk.sync(this.#now)
    const { loseUnsynced = false } = options
    const loss = loseUnsynced === true ? "all" : loseUnsynced === false ? "none" : loseUnsynced
    const lost = host.disk.crash(loss, this.#random.fork(`disk/${actor}/${host.incarnation}`))
    this.#ready.set(host, host.nextReady(this.#now))
    this.#say(`crash ${actor}${lost > 0 ? `, ${lost} unsynced writes lost` : ""}`)
    for (const watch of this.#crashWatchers) watch(actor)
  }

  /** Begins the next life of a crashed actor, now. */
  restart(actor: ActorId): void {
    const host = this.#host(actor)
    assert(host.state === "crashed", `world: ${actor} is down when it is restarted`)
    this.#say(`restart ${actor}`)
    this.#start(host)
  }

  /** `actor` stands still; what it should handle waits. */
  pause(actor: ActorId): void {
    const host = this.#host(actor)
    assert(host.state === "running", `world: ${actor} runs when it is paused`)
    host.state = "paused"
    this.#ready.set(host, null)
    this.#say(`pause ${actor}`)
  }

  resume(actor: ActorId): void {
    const host = this.#host(actor)
    assert(host.state === "paused", `world: ${actor} is paused when it is resumed`)
    host.state = "running"
    this.#ready.set(host, host.nextReady(this.#now))
    this.#say(`resume ${actor}`)
  }

  /** Actors that are in groups talk only where they share one. Overlapping groups make a partial partition. */
  partition(groups: readonly (readonly ActorId[])[]): void {
    this.#network.partition(groups)
    this.#say(`partition ${groups.map((group) => group.join(" ")).join(" | ")}`)
  }

  /** Cuts one direction only. */
  cut(from: readonly ActorId[], to: readonly ActorId[]): void {
    this.#network.cut(from, to)
    this.#say(`cut ${from.join(" ")} > ${to.join(" ")}`)
  }

  /** What `from` sends to `to` in the next `cycles` waits for their end. */
  clog(from: ActorId, to: ActorId, cycles: number): void {
    this.#network.clog(from, to, after(this.#now, cycles))
    this.#say(`clog ${from} > ${to} for ${cycles}`)
  }

  /** Opens all links; who is down stays down. */
  healNetwork(): void {
    this.#network.heal()
    this.#say("heal network")
  }

  /** Ends the fault plan, opens all links, resumes and restarts everybody. */
  heal(): void {
    this.#endFaults()
    this.#network.heal()
    this.#say("heal")
    this.#revive(this.#ordered)
  }

  /** As `heal`, but only for `core`: everybody else stays as he is for good, and the core has to get on without him. */
  healCore(core: readonly ActorId[]): void {
    this.#endFaults()
    this.#network.healAmong(core)
    this.#say(`heal core ${core.join(" ")}`)
    this.#revive(this.#ordered.filter((host) => core.includes(host.id)))
  }

  #endFaults(): void {
    this.#driver?.stop()
    this.#network.endFaults()
  }

  #revive(hosts: readonly ActorHost[]): void {
    for (const host of hosts) {
      if (host.state === "paused") this.resume(host.id)
      if (host.state === "crashed") this.restart(host.id)
    }
  }

  #startFresh(): void {
    const fresh = this.#fresh.sort((a, b) => a.rank - b.rank)
    this.#fresh = []
    for (const host of fresh) this.#start(host)
  }

  #start(host: ActorHost): void {
    host.disk.sync(this.#now)
    this.#guard.run(host.id, () => {
      const machine = host.begin()
      this.#record.note(this.#now, host.id, `start ${host.incarnation}`)
      this.#carrier.carryOut(this.#now, host, { input: null, context: undefined, effects: machine.start(this.#now, host.disk.restored()) })
    })
    this.#ready.set(host, host.nextReady(this.#now))
  }

  /** One input of one actor. */
  #step(host: ActorHost): void {
    const due = host.agenda.take(this.#now)
    if (due !== null) {
      if (due.class === "message") host.waiting--
      if (host.state === "crashed") this.#carrier.loseAtDown(this.#now, host, due)
      else this.#handle(host, due)
    }
    this.#ready.set(host, host.nextReady(this.#now))
    if (due !== null) this.#guard.check(this.#steps)
  }

  #handle(host: ActorHost, due: Due): void {
    if (++this.#steps > this.settings.stepsMax)
      throw this.#guard.failure(`more than ${this.settings.stepsMax} steps: no end in sight (stepsMax)`, host.id)
    this.#record.heard(this.#now, host.id, due)
    if (due.class === "persisted") host.disk.sync(this.#now)
    try {
      const input = inputOf(due)
      const machine = defined(host.machine ?? undefined, "a running actor has a machine")
      this.#carrier.carryOut(this.#now, host, {
        input,
        context: due.class === "message" ? due.trace : undefined,
        effects: machine.step(this.#now, input),
      })
    } catch (thrown) {
      throw this.#guard.wrapped(thrown, host.id)
    }
  }

  #say(what: string): void {
    this.#record.note(this.#now, "world", what)
  }

  #host(actor: ActorId): ActorHost {
    return defined(this.#hosts.get(actor), `world: ${actor} is hosted`)
  }
}

function inputOf(due: Due): Input<Body> {
  return due.class === "message" ? { kind: "message", from: due.from, body: due.body } : { kind: due.class, key: due.key }
}
