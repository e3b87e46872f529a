/**
 * The machine clock: grants virtual time to the ports of a machine in lock-step. A pure machine like any other, hosted by the
 * hypervisor's process as `clock.0` in free mode, because its own timers are about the wall: when to ask again, whom to give up.
 *
 * Whoever has something to do before its safe bound (safe-bounds.ts) is granted up to it; who has nothing is not asked.
 * Who hosts what (the roster) changes only when nobody runs and nothing is on its way: then all members take over the
 * new one before anybody goes on. Phases: gathering (until all named actors have a host) → syncing ⇄ running.
 */
import { compareActors, type ActorId } from "@backplane/foundation-actor/actor-id"
import { event, send, timer } from "@backplane/foundation-actor/effects"
import type { Effect, Input, Machine } from "@backplane/foundation-actor/machine"
import { after, TIME_ZERO, virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { assert, unreachable } from "@backplane/foundation-base/assert"
import { ClockMember } from "./clock-member.ts"
import type {
  ClockHears,
  ClockSays,
  LockstepBusy,
  LockstepDone,
  LockstepGrant,
  LockstepHello,
  LockstepStatus,
  PortId,
  Roster,
} from "./protocol.ts"
import { earlier, safeBounds } from "./safe-bounds.ts"

export interface ClockConfig {
  /** Higher than that of any former life of this clock (milliseconds since 1970 will do): ports follow the latest. */
  readonly life: number
  /** Time stands still until all of these have a host. */
  readonly actors: readonly ActorId[]
  /** Of the machine's bus, in cycles of the machine: the lookahead. */
  readonly latencyCycles: number
  /** The machine runs no further; null: without end. */
  readonly until: VirtualTime | null
  /** In cycles of the clock's own, free time: when an unanswered grant is repeated, and when its port is given up. */
  readonly retryCycles: number
  readonly deadCycles: number
}

const WATCH = "watch"
/** Names of the last lost ports, for the status. */
const LOST_MAX = 64

type Effects = Effect<ClockSays>[]

export class ClockMachine implements Machine<ClockHears, ClockSays> {
  readonly #config: ClockConfig
  /** In the order of ports. */
  #members: ClockMember[] = []
  #phase: LockstepStatus["phase"] = "gathering"
  #until: VirtualTime | null
  #rosterVersion = 0
  /** The highest that any port went by, under whatever clock. */
  #rosterSeen = 0
  /** Somebody came, went or hosts something else: the roster must change. */
  #rosterStale = false
  readonly #lost: PortId[] = []
  /** Lives that the machine went on without: `<port>/<incarnation>`. */
  readonly #expelled = new Set<string>()
  /** Numbers all grants of this life. */
  #grants = 0
  #watching = false
  #saidIdle = false

  constructor(config: ClockConfig) {
    assert(config.latencyCycles >= 1, "without latency there is no lookahead")
    assert(config.deadCycles > config.retryCycles, "a port is asked again before it is given up")
    this.#config = config
    this.#until = config.until
  }

  start(): readonly Effect<ClockSays>[] {
    return []
  }

  step(now: VirtualTime, input: Input<ClockHears>): readonly Effect<ClockSays>[] {
    const effects: Effects = []
    if (input.kind === "message") this.#onMessage(now, input.from, input.body, effects)
    if (input.kind === "timer") this.#onWatch(now, effects)
    this.#schedule(now, effects)
    return effects
  }

  #onMessage(now: VirtualTime, from: ActorId, body: ClockHears, effects: Effects): void {
    switch (body.kind) {
      case "LockstepHello":
        return this.#onHello(now, from, body, effects)
      case "LockstepDone":
        return this.#onDone(now, from, body)
      case "LockstepBusy":
        return this.#onBusy(now, from, body)
      case "LockstepGone":
        return this.#onGone(body.port, effects)
      case "LockstepLimit":
        this.#until = body.until
        return
      case "LockstepQuery":
        effects.push(send(from, this.#status()))
        return
      default:
        return unreachable(body)
    }
  }

  #onHello(now: VirtualTime, port: PortId, hello: LockstepHello, effects: Effects): void {
    if (this.#expelled.has(`${port}/${hello.incarnation}`)) {
      effects.push(send(port, { kind: "LockstepExpelled", incarnation: hello.incarnation }))
      return
    }
    // Rosters are numbered through all lives of the clock: what was sent under an older one is recognised by it.
    this.#rosterSeen = Math.max(this.#rosterSeen, hello.roster)
    let member = this.#memberOf(port)
    if (member !== undefined && member.incarnation !== hello.incarnation) {
      this.#lose(member, "restarted", effects)
      member = undefined
    }
    if (member === undefined) {
      if (hello.actors.length === 0) return
      this.#members = [...this.#members, new ClockMember(port, hello, now)].sort((a, b) => compareActors(a.port, b.port))
      this.#rosterStale = true
      effects.push(event("clock.joined", { port, actors: hello.actors.length }, "info"))
      return
    }
    member.heardAt = now
    // Said before it took over the roster that it has by now: overtaken on the way.
    if (hello.roster < member.roster) return
    member.external = hello.external
    if (sameActors(member.actors, hello.actors)) return
    member.actors = hello.actors
    this.#rosterStale = true
  }

  #onDone(now: VirtualTime, port: PortId, done: LockstepDone): void {
    const member = this.#memberOf(port)
    // A repeat, or an answer to a clock that is no more.
    if (member?.grant?.number !== done.number || member.incarnation !== done.incarnation || done.clock !== this.#config.life) return
    member.heardAt = now
    const wasRoster = member.grant.roster !== null
    for (const { from, before } of member.done(done)) this.#memberOf(from)?.acked.set(port, before)
    const before = after(done.through, this.#config.latencyCycles)
    for (const { to, count, earliest } of done.sent) {
      const receiver = this.#memberOf(to)
      // A new life under the same name was not the one that these went to.
      if (receiver?.roster === this.#rosterVersion) receiver.notices.push({ from: port, count, before, earliest })
    }
    if (wasRoster && this.#phase === "syncing" && this.#members.every((each) => !each.isRunning)) this.#phase = "running"
  }

  #onBusy(now: VirtualTime, port: PortId, busy: LockstepBusy): void {
    const member = this.#memberOf(port)
    if (member?.grant?.number === busy.number && member.incarnation === busy.incarnation) member.heardAt = now
  }

  #onGone(port: PortId, effects: Effects): void {
    const member = this.#memberOf(port)
    if (member !== undefined) this.#lose(member, "reported dead", effects)
  }

  /** Asks again where no answer came, and gives up who has been silent for too long. */
  #onWatch(now: VirtualTime, effects: Effects): void {
    this.#watching = false
    const { retryCycles, deadCycles } = this.#config
    for (const member of this.#members.filter((each) => each.isRunning)) {
      if (now - member.heardAt >= deadCycles) {
        this.#lose(member, "silent", effects)
      } else if (member.grant !== null && now - member.grantedAt >= retryCycles) {
        member.grantedAt = now
        effects.push(send(member.port, member.grant))
      }
    }
  }

  #lose(member: ClockMember, why: string, effects: Effects): void {
    this.#members = this.#members.filter((each) => each !== member)
    this.#expelled.add(`${member.port}/${member.incarnation}`)
    this.#lost.push(member.port)
    if (this.#lost.length > LOST_MAX) this.#lost.shift()
    this.#rosterStale = true
    effects.push(event("clock.member-lost", { port: member.port, incarnation: member.incarnation, why, through: member.through }, "warn"))
    for (const other of this.#members) {
      other.acked.delete(member.port)
      other.notices = other.notices.filter(({ from }) => from !== member.port)
      if (other.grant === null || !other.grant.expect.some(({ from }) => from === member.port)) continue
      // It may be waiting for messages that will never come: the same grant, without them.
      other.grant = {
        ...other.grant,
        lost: [...other.grant.lost, member.port],
        expect: other.grant.expect.filter(({ from }) => from !== member.port),
      }
      effects.push(send(other.port, other.grant))
    }
  }

  #schedule(now: VirtualTime, effects: Effects): void {
    if (this.#phase === "gathering") this.#tryBegin()
    if (this.#phase !== "gathering") {
      const isQuiet = this.#members.every((each) => !each.isRunning)
      if (this.#rosterStale) {
        if (isQuiet) this.#sync(now, effects)
      } else if (this.#phase === "running") {
        this.#grantAll(now, isQuiet, effects)
      }
    }
    if (this.#watching || !this.#members.some((each) => each.isRunning)) return
    this.#watching = true
    effects.push(timer(WATCH, after(now, this.#config.retryCycles)))
  }

  #tryBegin(): void {
    if (this.#waitingFor().length > 0) return
    this.#phase = "syncing"
    this.#rosterStale = true
  }

  /** Nobody runs: everybody takes over the new roster, after what is on its way has arrived. */
  #sync(now: VirtualTime, effects: Effects): void {
    this.#phase = "syncing"
    this.#rosterStale = false
    const frontier = this.#frontier()
    const since = new Map<ActorId, VirtualTime>()
    const left = this.#members.filter((member) => member.actors.length === 0)
    this.#members = this.#members.filter((member) => member.actors.length > 0)
    for (const { port } of left) effects.push(event("clock.left", { port }, "info"))
    const ports = this.#members.map((member) => {
      const actors = member.actors.filter(({ id }) => !since.has(id))
      // An actor that is new begins at the frontier: nobody has handled anything later.
      for (const { id, since: own } of actors) since.set(id, own ?? frontier)
      if (actors.length < member.actors.length) effects.push(event("clock.actor-twice", { port: member.port }, "error"))
      return { port: member.port, actors: actors.map(({ id }) => ({ id, since: since.get(id) ?? frontier })) }
    })
    this.#rosterVersion = Math.max(this.#rosterVersion, this.#rosterSeen) + 1
    const roster: Roster = { version: this.#rosterVersion, ports }
    effects.push(event("clock.roster", { version: roster.version, ports: ports.length, time: frontier }, "info"))
    for (const member of this.#members) this.#grant(now, member, { until: TIME_ZERO, roster }, effects)
    if (this.#members.length === 0) this.#phase = "gathering"
  }

  #grantAll(now: VirtualTime, isQuiet: boolean, effects: Effects): void {
    const calling = this.#members.filter((member) => member.external)
    if (calling.length > 0) {
      // What comes from outside is handled when nobody is ahead of it.
      if (!isQuiet) return
      const externalAt = this.#frontier()
      for (const member of calling) {
        member.external = false
        member.next = member.next === null || member.next > externalAt ? externalAt : member.next
        this.#grant(now, member, { until: TIME_ZERO, externalAt }, effects)
      }
      return
    }
    const bounds = safeBounds(this.#members, this.#config.latencyCycles)
    this.#members.forEach((member, index) => {
      const next = member.nextInput()
      const bound = earlier(bounds[index] ?? null, this.#until)
      if (member.isRunning || next === null || (bound !== null && next >= bound)) return
      this.#grant(now, member, { until: bound }, effects)
    })
    this.#sayIdle(effects)
  }

  #grant(
    now: VirtualTime,
    member: ClockMember,
    what: { readonly until: VirtualTime | null; readonly roster?: Roster; readonly externalAt?: VirtualTime },
    effects: Effects,
  ): void {
    assert(!member.isRunning, "one grant at a time")
    member.grantedFloor = member.nextInput()
    const grant: LockstepGrant = {
      kind: "LockstepGrant",
      clock: this.#config.life,
      incarnation: member.incarnation,
      number: ++this.#grants,
      until: what.until,
      expect: merged(member.notices),
      lost: [],
      acked: [...member.acked].map(([to, before]) => ({ to, before })),
      roster: what.roster ?? null,
      externalAt: what.externalAt ?? null,
    }
    member.notices = []
    member.acked.clear()
    member.grant = grant
    member.grantedAt = now
    member.heardAt = now
    effects.push(send(member.port, grant))
  }

  #sayIdle(effects: Effects): void {
    const idle = this.#isIdle()
    if (idle && !this.#saidIdle) effects.push(event("clock.idle", { time: this.#frontier(), grants: this.#grants }, "info"))
    this.#saidIdle = idle
  }

  #isIdle(): boolean {
    return this.#phase === "running" && this.#members.every((each) => !each.isRunning)
  }

  /** Everything before this is handled everywhere, and nothing after it anywhere. */
  #frontier(): VirtualTime {
    return virtualTime(this.#members.reduce((most, { through }) => Math.max(most, through), 0))
  }

  #waitingFor(): ActorId[] {
    return this.#config.actors.filter((actor) => !this.#members.some((member) => member.hosts(actor)))
  }

  #memberOf(port: PortId): ClockMember | undefined {
    return this.#members.find((member) => member.port === port)
  }

  #status(): LockstepStatus {
    return {
      kind: "LockstepStatus",
      phase: this.#phase,
      idle: this.#isIdle(),
      time: this.#frontier(),
      grants: this.#grants,
      waitingFor: this.#waitingFor(),
      ports: this.#members.map(({ port, actors }) => ({ port, actors: actors.map(({ id }) => id) })),
      lost: [...this.#lost],
    }
  }
}

function sameActors(a: LockstepHello["actors"], b: LockstepHello["actors"]): boolean {
  // A `since` that became known is no change; one that was forgotten is: the actor was restarted.
  return a.length === b.length && a.every(({ id, since }, index) => b[index]?.id === id && (since === null || b[index]?.since === since))
}

/** One expectation a sender: its counts are of disjoint, rising spans of time. */
function merged(notices: readonly { from: PortId; count: number; before: VirtualTime }[]): LockstepGrant["expect"] {
  const bySender = new Map<PortId, { count: number; before: VirtualTime }>()
  for (const { from, count, before } of notices) {
    const sum = bySender.get(from)
    bySender.set(from, { count: (sum?.count ?? 0) + count, before: sum === undefined || before > sum.before ? before : sum.before })
  }
  return [...bySender].map(([from, { count, before }]) => ({ from, count, before }))
}
