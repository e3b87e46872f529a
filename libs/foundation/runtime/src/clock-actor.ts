/** The machine clock as a service hosts it: `clock.0`, made from its configuration like any other actor. */
import { actorKind, isActorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Json } from "@backplane/foundation-base/json"
import { ClockMachine } from "@backplane/foundation-lockstep/clock-machine"
import { isLockstepKind, lockstepProblem } from "@backplane/foundation-lockstep/protocol"
import type { BodyCodec } from "./body-codec.ts"
import { wallMilliseconds } from "./paced-clock.ts"
import { ActorConfigError, type ActorFactory } from "./service-options.ts"

const RETRY_MILLISECONDS = 50
const DEAD_MILLISECONDS = 3_000

/**
 * `factory`, and `clock.<n>` besides it. Configuration of a clock:
 * `{"actors": ["node.0", …], "latencyCycles": 1000, "until"?: cycles | null, "deadMilliseconds"?: 3000}`.
 */
export function withClock(factory: ActorFactory, cyclesPerSecondDefault: number): ActorFactory {
  return (actor, config, context) => {
    if (actorKind(actor) !== "clock") return factory(actor, config, context)
    if (context.mode.kind !== "free") throw new ActorConfigError("", `${actor} runs in free mode: it grants the time of lock-step`)
    const perMillisecond = (context.mode.cyclesPerSecond ?? cyclesPerSecondDefault) / 1000
    const deadMilliseconds = wholeOf(config, "deadMilliseconds", DEAD_MILLISECONDS)
    if (deadMilliseconds <= RETRY_MILLISECONDS) throw new ActorConfigError("/deadMilliseconds", `more than ${RETRY_MILLISECONDS}`)
    const until = fieldOf(config, "until") ?? null
    return new ClockMachine({
      life: Math.floor(wallMilliseconds()),
      actors: actorsOf(config),
      latencyCycles: wholeOf(config, "latencyCycles"),
      until: until === null ? null : (wholeOf(config, "until") as VirtualTime),
      retryCycles: Math.ceil(RETRY_MILLISECONDS * perMillisecond),
      deadCycles: Math.ceil(deadMilliseconds * perMillisecond),
    })
  }
}

/** `codec` for the contracts' bodies, and our own check for the clock's. */
export function withLockstep(codec: BodyCodec): BodyCodec {
  return {
    ...(codec.packer === undefined ? {} : { packer: codec.packer }),
    decode(value) {
      const kind: unknown = value !== null && typeof value === "object" ? Reflect.get(value, "kind") : undefined
      if (typeof kind !== "string" || !isLockstepKind(kind)) return codec.decode(value)
      const body = value as unknown as { readonly kind: string }
      const rejection = lockstepProblem(body)
      return rejection === null ? { body } : { rejection }
    },
    encode: (body) => (isLockstepKind(body.kind) ? (body as unknown as Json) : codec.encode(body)),
  }
}

function fieldOf(config: Json, name: string): unknown {
  return config !== null && typeof config === "object" ? Reflect.get(config, name) : undefined
}

function wholeOf(config: Json, name: string, fallback?: number): number {
  const value = fieldOf(config, name) ?? fallback
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1)
    throw new ActorConfigError(`/${name}`, "a whole number, at least 1")
  return value
}

function actorsOf(config: Json): readonly ActorId[] {
  const list = fieldOf(config, "actors")
  if (!Array.isArray(list) || list.length === 0) throw new ActorConfigError("/actors", "the names of all actors of the machine")
  return list.map((each: unknown, index) => {
    if (typeof each !== "string" || !isActorId(each)) throw new ActorConfigError(`/actors/${index}`, "an actor's name is kind.index")
    return each
  })
}
