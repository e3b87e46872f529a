/**
 * What a process is told and says of itself, as JSON Schema: `bp.ctl.host.<instance>` and `bp.ctl.alive.<service>`.
 *
 * Written by hand beside foundation/runtime's `control-protocol.ts`, whose parser is the truth; a test holds both together.
 */
import { Type } from "typebox"
import { ActorName, Incarnation, Instance, MachineName, open, Refused, Whole } from "./schema-parts.ts"

const FreeMode = Type.Object(
  {
    kind: Type.Literal("free"),
    cyclesPerSecond: Type.Optional(Whole("pace of virtual time; missing: as the service was configured", 1)),
    originMilliseconds: Type.Optional(Type.Number({ description: "Unix milliseconds of virtual time 0; missing: now" })),
  },
  { ...open, description: "virtual time is the paced wall clock" },
)
const LockStepMode = Type.Object(
  {
    kind: Type.Literal("lock-step"),
    latencyCycles: Whole("cycles from a send to its delivery", 1),
    persistLatencyCycles: Whole("cycles from a persist effect to its notice"),
  },
  { ...open, description: "the machine clock clock.0 grants virtual time" },
)

const Host = Type.Object(
  {
    op: Type.Literal("host"),
    machine: MachineName,
    epoch: Type.Optional(Whole("life of the actors: the same again changes nothing, a lower one is refused; missing: 1")),
    mode: Type.Optional(Type.Union([FreeMode, LockStepMode], { description: 'missing: {"kind":"free"}' })),
    actors: Type.Array(
      Type.Object({ id: ActorName, config: Type.Optional(Type.Unknown({ description: "what the app's factory makes the actor from" })) }),
      { minItems: 1, maxItems: 4096, description: "each name once" },
    ),
  },
  { ...open, description: "take these actors" },
)
const Unhost = Type.Object(
  {
    op: Type.Literal("unhost"),
    machine: MachineName,
    actors: Type.Union([Type.Literal("all"), Type.Array(ActorName)]),
  },
  { ...open, description: "let these actors go" },
)
const Cut = Type.Object(
  { op: Type.Literal("cut"), peers: Type.Union([Type.Literal("all"), Type.Array(ActorName)], { description: "an empty list ends it" }) },
  { ...open, description: "lose what goes to and comes from these actors, on purpose" },
)
const Ping = Type.Object({ op: Type.Literal("ping") }, { ...open, description: "are you there?" })
const Report = Type.Object({ op: Type.Literal("report") }, { ...open, description: "what do you host, and how does it fare?" })
const Inspect = Type.Object(
  { op: Type.Literal("inspect"), machine: MachineName, actor: ActorName },
  { ...open, description: "what does this actor know? For people and checkers" },
)

export const HostRequest = Type.Union([Host, Unhost, Cut, Ping, Report, Inspect], {
  description: "operator → process: host and unhost actors, or tell about them; may be repeated",
})

const ActorReport = Type.Object({
  machine: MachineName,
  actor: ActorName,
  epoch: Whole("life of the actor"),
  mode: Type.Enum(["free", "lock-step"]),
  inboxLength: Whole("messages that wait"),
  inboxDropped: Whole("messages that found the inbox full"),
  inputs: Whole("inputs handled"),
  sent: Whole("messages sent"),
  timers: Whole("timers set"),
  now: Whole("virtual time, cycles"),
})
const Self = { service: Type.String(), instance: Instance, incarnation: Incarnation }

export const HostReply = Type.Union(
  [
    Type.Object({
      ok: Type.Literal(true),
      op: Type.Literal("host"),
      started: Type.Array(ActorName),
      already: Type.Array(ActorName, { description: "hosted with this epoch before" }),
    }),
    Type.Object({ ok: Type.Literal(true), op: Type.Literal("cut"), lost: Whole("messages that cuts have cost so far") }),
    Type.Object({ ok: Type.Literal(true), op: Type.Literal("unhost"), stopped: Type.Array(ActorName) }),
    Type.Object({ ok: Type.Literal(true), op: Type.Literal("ping"), ...Self }),
    Type.Object({
      ok: Type.Literal(true),
      op: Type.Literal("report"),
      ...Self,
      pid: Whole("process id", 1),
      actors: Type.Array(ActorReport),
      bus: Type.Record(Type.String(), Type.Number(), { description: "counts of the process's buses" }),
    }),
    Type.Object({
      ok: Type.Literal(true),
      op: Type.Literal("inspect"),
      machine: MachineName,
      actor: ActorName,
      state: Type.Unknown({ description: "as the actor describes itself; not part of a protocol" }),
    }),
    Refused,
  ],
  { description: "process → operator: the answer to a HostRequest" },
)

export const AliveNotice = Type.Object(
  {
    ...Self,
    pid: Whole("process id", 1),
    hosting: Type.Array(Type.Object({ machine: MachineName, actor: ActorName, epoch: Whole("life of the actor") })),
  },
  { description: "process → hypervisor: I am here and host these; said each second, a level and not an edge" },
)
