/** Parts that several of the hand-written schemas share. */
import { Type, type TSchema } from "typebox"

/** What a reader ignores it need not refuse: requests from outside may hold more than they must. */
export const open = {} as const

export const ACTOR_NAME = "^[a-z][a-z0-9-]{0,31}\\.[a-z0-9][a-z0-9-]{0,31}$"
export const ActorName = Type.String({
  pattern: ACTOR_NAME,
  description: "an actor: kind.index, as node.0 or scheduler.cpu-3",
})
export const MachineName = Type.String({
  pattern: "^(?!ctl$)[a-z0-9][a-z0-9-]{0,63}$",
  description: "a machine; never ctl",
})
export const Instance = Type.String({ description: "a process, as numa-node-0" })
export const Incarnation = Type.String({ description: "new at each start of the process" })
export const Whole = (description: string, minimum = 0): ReturnType<typeof Type.Integer> =>
  Type.Integer({ minimum, maximum: Number.MAX_SAFE_INTEGER, description })

export const Refused = Type.Object(
  { ok: Type.Literal(false), field: Type.String({ description: "path of what is wrong; empty for the whole" }), reason: Type.String() },
  { description: "No, and why." },
)

export function orNull<T extends TSchema>(schema: T, description: string): TSchema {
  return Type.Union([schema, Type.Null()], { description })
}
