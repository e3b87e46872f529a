/** A log of which something could not be read, told to whoever looks after the disks: the replica itself is made good by the others. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { event } from "@backplane/foundation-actor/effects"
import type { Json } from "@backplane/foundation-base/json"
import { losesEndOnly } from "@backplane/kv-store/log-store"
import type { KvEffect } from "./outbox.ts"

/** `damage`: what the store left under `DAMAGE_KEY`. An end that is torn is what a loss of power leaves, anything else is a disk that fails. */
export function damageTold(shard: ActorId, damage: Json): KvEffect {
  const places = Array.isArray(damage) ? damage : []
  const kinds = new Set(places.map((place) => String((place as { readonly what?: Json } | null)?.what ?? "unreadable")))
  const what = { shard, count: places.length, reason: [...kinds].join(", ") }
  return event("kv.damaged", what, losesEndOnly(damage) ? "info" : "warn")
}
