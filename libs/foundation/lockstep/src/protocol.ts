/**
 * What the machine clock and the ports of its members say to each other. Plain JSON; times are cycles.
 *
 * ```
 * port  → clock  LockstepHello   who I am, what I host, what is next (a level: repeated each second and on change)
 * clock → port   LockstepGrant   you may handle everything before `until`, once what you `expect` has arrived
 * port  → clock  LockstepDone    I have; I sent so many messages to these ports; this is next
 * port  → clock  LockstepBusy    (answer to a repeated grant) still at it, or still missing messages of these ports
 * port  → port   LockstepResend  messages of yours have not arrived: send again what is not acknowledged
 * clock → port   LockstepExpelled  the machine went on without you
 * ```
 * Actors' own messages go directly from port to port, stamped with their due time (`Envelope.stamp`).
 */
import { isActorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Body } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"

/** `port-<service>.<instance>`: an actor's name, so that the same subjects and permissions serve it. */
export type PortId = ActorId

export interface RosterActor {
  readonly id: ActorId
  /** When this life of it began. It handles and sends nothing earlier. */
  readonly since: VirtualTime
}

export interface RosterPort {
  readonly port: PortId
  readonly actors: readonly RosterActor[]
}

/** Who hosts what, the same at every member: changed only while nobody runs and nothing is on its way. */
export interface Roster {
  readonly version: number
  readonly ports: readonly RosterPort[]
}

/** `count` messages of `from` that are due before `before` and that no earlier grant asked for. */
export interface Expectation {
  readonly from: PortId
  readonly count: number
  readonly before: VirtualTime
}

export interface LockstepHello extends Body {
  readonly kind: "LockstepHello"
  readonly incarnation: string
  /** Version of the roster that it goes by; 0 before the first. */
  readonly roster: number
  /** `since` is null for an actor that has not been started. */
  readonly actors: readonly { readonly id: ActorId; readonly since: VirtualTime | null }[]
  /** Everything before this is handled. */
  readonly through: VirtualTime
  readonly next: VirtualTime | null
  /** Messages from outside the machine wait for a time to be handled at. */
  readonly external: boolean
}

export interface LockstepGrant extends Body {
  readonly kind: "LockstepGrant"
  /** Which life of the clock speaks: later lives have higher numbers. */
  readonly clock: number
  readonly incarnation: string
  /** Rises within a life of the clock: a repeat has the same number. */
  readonly number: number
  /** Null: no other port has anything to do. */
  readonly until: VirtualTime | null
  readonly expect: readonly Expectation[]
  /** Ports that died with messages on their way: wait for none of theirs. */
  readonly lost: readonly PortId[]
  /** The receivers have all that was due before these times. */
  readonly acked: readonly { readonly to: PortId; readonly before: VirtualTime }[]
  /** To be taken over before anything is handled, after what is expected has come. */
  readonly roster: Roster | null
  /** The time at which messages from outside are handled. */
  readonly externalAt: VirtualTime | null
}

export interface SentCount {
  readonly to: PortId
  readonly count: number
  /** Due time of the earliest of them. */
  readonly earliest: VirtualTime
}

export interface LockstepDone extends Body {
  readonly kind: "LockstepDone"
  readonly clock: number
  readonly incarnation: string
  readonly number: number
  readonly through: VirtualTime
  readonly next: VirtualTime | null
  readonly sent: readonly SentCount[]
}

export interface LockstepBusy extends Body {
  readonly kind: "LockstepBusy"
  readonly clock: number
  readonly incarnation: string
  readonly number: number
  /** Ports whose messages have not arrived. */
  readonly missing: readonly PortId[]
}

export interface LockstepResend extends Body {
  readonly kind: "LockstepResend"
}

export interface LockstepExpelled extends Body {
  readonly kind: "LockstepExpelled"
  readonly incarnation: string
}

/** Supervision knows that a process is dead before the clock's deadline does. */
export interface LockstepGone extends Body {
  readonly kind: "LockstepGone"
  readonly port: PortId
}

/** Changes how far the machine may run; null: without end. */
export interface LockstepLimit extends Body {
  readonly kind: "LockstepLimit"
  readonly until: VirtualTime | null
}

export interface LockstepQuery extends Body {
  readonly kind: "LockstepQuery"
}

export interface LockstepStatus extends Body {
  readonly kind: "LockstepStatus"
  readonly phase: "gathering" | "syncing" | "running"
  /** Nobody has anything to do before the limit. */
  readonly idle: boolean
  readonly time: VirtualTime
  readonly grants: number
  readonly waitingFor: readonly ActorId[]
  readonly ports: readonly { readonly port: PortId; readonly actors: readonly ActorId[] }[]
  readonly lost: readonly PortId[]
}

export type ClockHears = LockstepHello | LockstepDone | LockstepBusy | LockstepGone | LockstepLimit | LockstepQuery
export type ClockSays = LockstepGrant | LockstepExpelled | LockstepStatus
export type PortHears = LockstepGrant | LockstepResend | LockstepExpelled

/** What is wrong with a body of ours that came over a bus, or null: field and reason. */
export function lockstepProblem(body: Body): { readonly field: string; readonly reason: string } | null {
  const check = isLockstepKind(body.kind) ? SHAPES[body.kind] : undefined
  if (check === undefined) return { field: "/kind", reason: `${body.kind} is no message of the machine clock` }
  for (const [field, is] of Object.entries(check)) {
    if (!is(Reflect.get(body, field))) return { field: `/${field}`, reason: `not what ${body.kind} carries there` }
  }
  return null
}

export function isLockstepKind(kind: string): boolean {
  return Object.hasOwn(SHAPES, kind)
}

type Check = (value: unknown) => boolean
const text: Check = (value) => typeof value === "string" && value.length <= 128
const name: Check = (value) => typeof value === "string" && isActorId(value)
const whole: Check = (value) => typeof value === "number" && Number.isSafeInteger(value) && value >= 0
const flag: Check = (value) => typeof value === "boolean"
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value)
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check)
const shape =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value) =>
    typeof value === "object" && value !== null && Object.entries(fields).every(([field, check]) => check(Reflect.get(value, field)))

const LIFE = { clock: whole, incarnation: text, number: whole }
const ROSTER = shape({ version: whole, ports: listOf(shape({ port: name, actors: listOf(shape({ id: name, since: whole })) })) })

const SHAPES: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  LockstepHello: {
    incarnation: text,
    roster: whole,
    actors: listOf(shape({ id: name, since: orNull(whole) })),
    through: whole,
    next: orNull(whole),
    external: flag,
  },
  LockstepGrant: {
    ...LIFE,
    until: orNull(whole),
    expect: listOf(shape({ from: name, count: whole, before: whole })),
    lost: listOf(name),
    acked: listOf(shape({ to: name, before: whole })),
    roster: orNull(ROSTER),
    externalAt: orNull(whole),
  },
  LockstepDone: { ...LIFE, through: whole, next: orNull(whole), sent: listOf(shape({ to: name, count: whole, earliest: whole })) },
  LockstepBusy: { ...LIFE, missing: listOf(name) },
  LockstepResend: {},
  LockstepExpelled: { incarnation: text },
  LockstepGone: { port: name },
  LockstepLimit: { until: orNull(whole) },
  LockstepQuery: {},
  LockstepStatus: { phase: text, idle: flag, time: whole, grants: whole, waitingFor: listOf(name), lost: listOf(name) },
}
