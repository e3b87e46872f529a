/**
 * The lock-step end of one process: holds the inputs of its actors until the clock grants their time, and hands them over in
 * the order of the simulation (`Agenda`). Pure: what it wants done, it asks of `PortOutput`.
 *
 * A grant goes through: gathering (until what is expected has come) → running (everything before the limit) → done. While it
 * runs, its first message to another port at t lowers the limit to t + 2 × latency: the answer cannot come earlier.
 */
import { compareActors, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Due } from "@backplane/foundation-actor/agenda"
import type { Body } from "@backplane/foundation-actor/machine"
import type { TraceContext } from "@backplane/foundation-actor/trace-context"
import { after, TIME_ZERO, virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { assert, unreachable } from "@backplane/foundation-base/assert"
import { PortActor, type Steppable } from "./port-actor.ts"
import { PortInflow, sequenceOf, type InflowCounts } from "./port-inflow.ts"
import { PortOutflow, type StampedMessage } from "./port-outflow.ts"
import type { LockstepBusy, LockstepDone, LockstepGrant, LockstepHello, LockstepResend, PortHears, PortId, Roster } from "./protocol.ts"
import { earlier } from "./safe-bounds.ts"

/** Most messages to other ports in one grant: what must be kept for a resend stays small. */
const SENT_PER_GRANT_MAX = 8192
/** Most messages from outside that wait for a time. */
const EXTERNAL_MAX = 4096

export interface PortOutput {
  /** Over the bus, with the stamp. */
  publish(message: StampedMessage): void
  toClock(body: LockstepHello | LockstepDone | LockstepBusy): void
  toPort(port: PortId, body: LockstepResend): void
  /** There is something to run: call `run`. */
  ready(): void
  /** The machine goes on without this process: only a new life may come back. */
  expelled(): void
  /** A removed actor has left the roster: nothing more can be on its way to it. Until then listen for it. */
  left(actor: ActorId): void
}

export interface LockstepPortOptions {
  readonly port: PortId
  readonly incarnation: string
  readonly latencyCycles: number
  readonly persistLatencyCycles: number
  readonly output: PortOutput
}

interface Running {
  grant: LockstepGrant
  phase: "gathering" | "running"
  /** Everything before is handled in this grant; null: everything there is. */
  limit: VirtualTime | null
}

export class LockstepPort {
  readonly #options: LockstepPortOptions
  readonly #inflow: PortInflow
  readonly #outflow = new PortOutflow()
  /** In the order of actors. */
  #actors: PortActor[] = []
  #byId = new Map<ActorId, PortActor>()
  #roster = 0
  /** Removed, but still in the roster. */
  readonly #leaving = new Set<ActorId>()
  /** The latest life of the clock that was heard of. */
  #clock = -1
  #running: Running | null = null
  /** The answer to the last grant: repeated when it was lost. */
  #lastDone: LockstepDone | null = null
  /** Everything before this is handled. */
  #through = TIME_ZERO
  /** The time of the input under way. */
  #now = TIME_ZERO
  #external: Omit<StampedMessage, "at" | "sequence">[] = []
  #externalDropped = 0
  /** Numbers of messages from outside, by sender. */
  readonly #externalSequence = new Map<ActorId, number>()

  constructor(options: LockstepPortOptions) {
    assert(options.latencyCycles >= 1, "without latency there is no lookahead")
    this.#options = options
    this.#inflow = new PortInflow(options.port)
  }

  /** Everything before this is handled. */
  get through(): VirtualTime {
    return this.#through
  }

  get counts(): Readonly<InflowCounts & { externalDropped: number }> {
    return { ...this.#inflow.counts, externalDropped: this.#externalDropped }
  }

  sentBy(actor: ActorId): number {
    return this.#byId.get(actor)?.sent ?? 0
  }

  /** Hosts an actor; it starts when the clock has put it into the roster. */
  add(id: ActorId, machine: Steppable): void {
    assert(!this.#byId.has(id), `${id} is hosted once`)
    this.#byId.set(id, new PortActor(id, machine))
    this.#reorder()
    this.#hello()
  }

  remove(id: ActorId): boolean {
    if (!this.#byId.delete(id)) return false
    this.#leaving.add(id)
    this.#reorder()
    this.#hello()
    return true
  }

  /** A message of another actor of the machine. */
  onMessage(message: StampedMessage): void {
    // While it runs, what is due before the limit has all come: this is a copy, or of a life that is over.
    const limit = this.#running?.phase === "running" ? this.#running.limit : null
    const over = limit === null ? this.#through : virtualTime(Math.max(limit, this.#through))
    if (!this.#inflow.accept(message, over)) return
    const actor = this.#byId.get(message.to)
    if (actor !== undefined) this.#enter(actor, message)
    if (this.#running?.phase === "gathering") this.#tryRun()
  }

  /** A message without a stamp: from outside the machine. The clock gives it a time. */
  onExternal(message: Omit<StampedMessage, "at" | "sequence">): void {
    if (this.#external.length >= EXTERNAL_MAX) {
      this.#externalDropped++
      return
    }
    this.#external.push(message)
    if (this.#external.length === 1) this.#hello()
  }

  onControl(from: ActorId, body: PortHears): void {
    switch (body.kind) {
      case "LockstepGrant":
        return this.#onGrant(body)
      case "LockstepResend":
        for (const message of this.#outflow.keptFor(from)) this.#options.output.publish(message)
        return
      case "LockstepExpelled":
        if (body.incarnation === this.#options.incarnation) this.#options.output.expelled()
        return
      default:
        return unreachable(body)
    }
  }

  /** Called now and then by the wall clock: says what might have been lost once more. */
  tick(what: "resend" | "hello"): void {
    if (what === "hello") return this.#hello()
    if (this.#running?.phase !== "gathering") return
    for (const port of this.#inflow.missing(this.#running.grant.expect)) this.#options.output.toPort(port, { kind: "LockstepResend" })
  }

  /** Handles at most `inputsMax` inputs. "blocked": a write must reach the disk first. "idle": nothing is granted. */
  run(inputsMax: number): "more" | "blocked" | "idle" {
    for (let budget = inputsMax; budget > 0; budget--) {
      if (this.#running?.phase !== "running") return "idle"
      const actor = this.#first(this.#running.limit)
      if (actor === null) {
        this.#finish()
        return "idle"
      }
      const at = actor.nextTime()
      assert(at !== null, "the first actor has something to do")
      this.#now = virtualTime(Math.max(at, this.#now))
      if (!actor.isStarted) {
        actor.start(this.#now)
        continue
      }
      const due = actor.take(at)
      if (due === "blocked") return "blocked"
      if (due !== null) step(actor, this.#now, due)
    }
    return "more"
  }

  /** Ends the grant at the next instant, however far it reaches: the host has been at it for long enough. */
  cutShort(): void {
    if (this.#running?.phase !== "running") return
    this.#running.limit = earlier(this.#running.limit, after(this.#now, 1))
  }

  // The effects of the machine that is in `step` or `start`.

  send(from: ActorId, to: ActorId, body: Body, trace: TraceContext | undefined): void {
    const sender = this.#own(from)
    const message = {
      from,
      to,
      at: after(this.#now, this.#options.latencyCycles),
      sequence: sequenceOf(this.#roster, ++sender.sent),
      body,
      trace,
    }
    const neighbour = this.#byId.get(to)
    if (neighbour !== undefined && this.#inflow.portOf(to) === this.#options.port) return this.#enter(neighbour, message)
    const port = this.#inflow.portOf(to)
    if (port !== undefined) this.#countSent(port, message)
    this.#options.output.publish(message)
  }

  timer(actor: ActorId, key: string, at: VirtualTime): void {
    this.#own(actor).agenda.setTimer(key, virtualTime(Math.max(at, this.#now)))
  }

  cancel(actor: ActorId, key: string): void {
    this.#own(actor).agenda.cancelTimer(key)
  }

  /** The write begins now; call the result when it is on disk. */
  persist(actor: ActorId, key: string): () => void {
    const own = this.#own(actor)
    own.agenda.addPersisted(key, after(this.#now, this.#options.persistLatencyCycles))
    const written = own.writes(key)
    return () => {
      written()
      if (this.#running?.phase === "running") this.#options.output.ready()
    }
  }

  #onGrant(grant: LockstepGrant): void {
    if (grant.incarnation !== this.#options.incarnation) return
    if (grant.clock < this.#clock) return
    if (grant.clock > this.#clock) this.#newClock(grant.clock)
    if (this.#lastDone !== null && grant.number <= this.#lastDone.number) {
      if (grant.number === this.#lastDone.number) this.#options.output.toClock(this.#lastDone)
      return
    }
    const running = this.#running
    if (running !== null && running.grant.number === grant.number) {
      if (running.phase === "gathering") running.grant = grant
      this.#tryRun()
      if (this.#running === running) this.#sayBusy(running)
      return
    }
    assert(running === null, "the clock grants again only after the answer")
    this.#running = { grant, phase: "gathering", limit: grant.until }
    this.#tryRun()
  }

  /** Another life of the clock: what the former wanted is void, but for what is handled already. */
  #newClock(clock: number): void {
    this.#clock = clock
    this.#lastDone = null
    if (this.#running !== null) this.#settle()
    this.#running = null
    this.#outflow.report()
  }

  #tryRun(): void {
    const running = this.#running
    if (running?.phase !== "gathering" || this.#inflow.missing(running.grant.expect).length > 0) return
    const { expect, acked, roster, externalAt, until } = running.grant
    this.#inflow.confirm(expect)
    this.#outflow.acknowledge(acked)
    if (roster === null) this.#outflow.dropRetired()
    else this.#takeOver(roster)
    if (externalAt !== null) this.#admitExternal(externalAt)
    if (until !== null && until <= this.#through) return this.#finish()
    running.phase = "running"
    running.limit = until
    this.#options.output.ready()
  }

  #takeOver(roster: Roster): void {
    this.#roster = roster.version
    this.#inflow.takeOver(roster)
    this.#outflow.retire()
    const own = roster.ports.find(({ port }) => port === this.#options.port)
    for (const { id, since } of own?.actors ?? []) {
      const actor = this.#byId.get(id)
      if (actor !== undefined && !actor.isStarted) actor.since = since
    }
    for (const id of this.#leaving) if (!this.#byId.has(id)) this.#options.output.left(id)
    this.#leaving.clear()
  }

  #admitExternal(at: VirtualTime): void {
    const waiting = this.#external
    this.#external = []
    for (const message of waiting) {
      const actor = this.#byId.get(message.to)
      const sequence = (this.#externalSequence.get(message.from) ?? 0) + 1
      this.#externalSequence.set(message.from, sequence)
      if (actor !== undefined) this.#enter(actor, { ...message, at, sequence })
    }
  }

  #finish(): void {
    const running = this.#running
    assert(running !== null, "only an open grant is finished")
    this.#settle()
    this.#running = null
    const { clock, number, incarnation } = running.grant
    this.#lastDone = {
      kind: "LockstepDone",
      clock,
      incarnation,
      number,
      through: this.#through,
      next: this.#next(),
      sent: this.#outflow.report(),
    }
    this.#options.output.toClock(this.#lastDone)
  }

  /** `#now` is the last time at which anything was handled, and all of that time was. */
  #settle(): void {
    if (this.#running?.phase !== "running") return
    const next = this.#next()
    this.#through = virtualTime(Math.max(this.#through, next === null ? this.#now + 1 : Math.min(next, this.#now + 1)))
    this.#inflow.forget(this.#through)
  }

  #countSent(port: PortId, message: StampedMessage): void {
    this.#outflow.add(port, message)
    const running = this.#running
    assert(running?.phase === "running", "messages are sent only within a grant")
    running.limit = earlier(running.limit, after(this.#now, 2 * this.#options.latencyCycles))
    if (this.#outflow.sinceReport >= SENT_PER_GRANT_MAX) this.cutShort()
  }

  #enter(actor: PortActor, { from, at, sequence, body, trace }: StampedMessage): void {
    actor.agenda.addMessage(trace === undefined ? { at, from, sequence, body } : { at, from, sequence, body, trace })
  }

  /** The actor with the earliest input before `limit`; of equals the first in order. */
  #first(limit: VirtualTime | null): PortActor | null {
    let first: PortActor | null = null
    let least = limit
    for (const actor of this.#actors) {
      const next = actor.nextTime()
      if (next === null || (least !== null && next >= least)) continue
      first = actor
      least = next
    }
    return first
  }

  #next(): VirtualTime | null {
    return this.#actors.reduce<VirtualTime | null>((least, actor) => earlier(least, actor.nextTime()), null)
  }

  #hello(): void {
    const actors = this.#actors.map(({ id, since }) => ({ id, since }))
    const { incarnation, output } = this.#options
    const external = this.#external.length > 0
    output.toClock({
      kind: "LockstepHello",
      incarnation,
      roster: this.#roster,
      actors,
      through: this.#through,
      next: this.#next(),
      external,
    })
  }

  #sayBusy({ grant }: Running): void {
    const { clock, incarnation, number } = grant
    const missing = this.#running?.phase === "gathering" ? this.#inflow.missing(grant.expect) : []
    this.#options.output.toClock({ kind: "LockstepBusy", clock, incarnation, number, missing })
  }

  #own(actor: ActorId): PortActor {
    const own = this.#byId.get(actor)
    assert(own !== undefined, `${actor} is hosted here`)
    return own
  }

  #reorder(): void {
    this.#actors = [...this.#byId.values()].sort((a, b) => compareActors(a.id, b.id))
  }
}

function step(actor: PortActor, now: VirtualTime, due: Due): void {
  if (due.class !== "message") return actor.machine.step(now, { kind: due.class, key: due.key })
  actor.machine.step(now, { kind: "message", from: due.from, body: due.body }, due.trace)
}
