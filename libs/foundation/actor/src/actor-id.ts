/** Names of actors: `<kind>.<index>`, for example `node.0`, `scheduler.cpu-3`, `hypervisor.0`. */
import { assert } from "@backplane/foundation-base/assert"
import type { Brand } from "@backplane/foundation-base/brand"

export type ActorId = Brand<string, "ActorId">

const ACTOR_ID = /^[a-z][a-z0-9-]{0,31}\.[a-z0-9][a-z0-9-]{0,31}$/

/** Checks the form and brands it. */
export function actorId(text: string): ActorId {
  assert(ACTOR_ID.test(text), `an actor's name is kind.index in small letters, digits and dashes: ${text}`)
  return text as ActorId
}

/** True where `text` has the form of an actor's name: for input from outside. */
export function isActorId(text: string): text is ActorId {
  return ACTOR_ID.test(text)
}

/** `node.0` → `node`. */
export function actorKind(id: ActorId): string {
  return id.slice(0, id.indexOf("."))
}

/** `scheduler.cpu-3` → `cpu-3`. */
export function actorIndex(id: ActorId): string {
  return id.slice(id.indexOf(".") + 1)
}

/** Total order of actors: by kind, then by index, numbers by value (`node.2` before `node.10`). */
export function compareActors(a: ActorId, b: ActorId): number {
  if (a === b) return 0
  const left = a.split(/(\d+)/)
  const right = b.split(/(\d+)/)
  for (let part = 0; part < Math.min(left.length, right.length); part++) {
    const x = left[part] as string
    const y = right[part] as string
    if (x === y) continue
    if (part % 2 === 1) return Number(x) - Number(y)
    return x < y ? -1 : 1
  }
  return left.length - right.length
}
