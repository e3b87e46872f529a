/**
 * What the machine clock and the ports say to each other in lock-step, as JSON Schema.
 *
 * Written by hand beside foundation/lockstep's `protocol.ts`, whose check is the truth; a test holds both together.
 */
import { Type, type TProperties, type TSchema } from "typebox"
import { ACTOR_NAME, ActorName, orNull, Whole } from "./schema-parts.ts"

const Text = Type.String({ maxLength: 128 })
const Time = (description: string): ReturnType<typeof Whole> => Whole(`${description}; virtual time, cycles`)
const Port = Type.String({ pattern: ACTOR_NAME, description: "port-<service>.<instance>" })
const Life = {
  clock: Whole("life of the clock; later lives have higher numbers"),
  incarnation: Text,
  number: Whole("rises within a life of the clock"),
}

const Roster = Type.Object({
  version: Whole("of the roster"),
  ports: Type.Array(
    Type.Object({ port: Port, actors: Type.Array(Type.Object({ id: ActorName, since: Time("when this life of it began") })) }),
  ),
})

function message(kind: string, description: string, fields: TProperties): TSchema {
  return Type.Object({ kind: Type.Literal(kind), ...fields }, { description })
}

export const lockstepMessages: Readonly<Record<string, TSchema>> = {
  LockstepHello: message("LockstepHello", "port → clock: who I am, what I host, what is next; repeated each second and on change", {
    incarnation: Text,
    roster: Whole("version of the roster that it goes by; 0 before the first"),
    actors: Type.Array(Type.Object({ id: ActorName, since: orNull(Time("begin of this life"), "null: not started") })),
    through: Time("everything before this is handled"),
    next: orNull(Time("next thing to do"), "null: nothing"),
    external: Type.Boolean({ description: "messages from outside the machine wait for a time to be handled at" }),
  }),
  LockstepGrant: message("LockstepGrant", "clock → port: you may handle everything before `until`, once what you `expect` has arrived", {
    ...Life,
    until: orNull(Time("granted"), "null: no other port has anything to do"),
    expect: Type.Array(Type.Object({ from: Port, count: Whole("messages"), before: Time("due before") })),
    lost: Type.Array(Port, { description: "ports that died with messages on their way: wait for none of theirs" }),
    acked: Type.Array(Type.Object({ to: Port, before: Time("the receiver has all that was due before") })),
    roster: orNull(Roster, "to be taken over before anything is handled"),
    externalAt: orNull(Time("messages from outside are handled then"), "null: not now"),
  }),
  LockstepDone: message("LockstepDone", "port → clock: I have; I sent so many messages to these ports; this is next", {
    ...Life,
    through: Time("everything before this is handled"),
    next: orNull(Time("next thing to do"), "null: nothing"),
    sent: Type.Array(Type.Object({ to: Port, count: Whole("messages"), earliest: Time("due time of the earliest") })),
  }),
  LockstepBusy: message("LockstepBusy", "port → clock: still at it, or still missing messages of these ports; answers a repeated grant", {
    ...Life,
    missing: Type.Array(Port),
  }),
  LockstepResend: message("LockstepResend", "port → port: messages of yours have not arrived: send again what is not acknowledged", {}),
  LockstepExpelled: message("LockstepExpelled", "clock → port: the machine went on without you", { incarnation: Text }),
  LockstepGone: message("LockstepGone", "operator → clock: this process is dead; do not wait for it", { port: Port }),
  LockstepLimit: message("LockstepLimit", "operator → clock: how far the machine may run", {
    until: orNull(Time("end"), "null: without end"),
  }),
  LockstepQuery: message("LockstepQuery", "operator → clock: how far is the machine?", {}),
  LockstepStatus: message("LockstepStatus", "clock → operator: how far the machine is, and whom it waits for", {
    phase: Type.String({ maxLength: 128, description: "gathering, syncing or running" }),
    idle: Type.Boolean({ description: "nobody has anything to do before the limit" }),
    time: Time("reached"),
    grants: Whole("grants so far"),
    waitingFor: Type.Array(ActorName),
    ports: Type.Optional(Type.Array(Type.Object({ port: Port, actors: Type.Array(ActorName) }))),
    lost: Type.Array(Port),
  }),
}
