/**
 * What a shard is told from outside: which replica it is, who the first members of the store are, in which zones.
 *
 * | variable | meaning |
 * | --- | --- |
 * | BACKPLANE_INSTANCE | `kv-shard-2` hosts `replica.2` |
 * | BACKPLANE_KV_SHARDS | how many members a new store begins with: `replica.0` to `replica.<n-1>`; default 3 |
 * | BACKPLANE_KV_ZONES | availability zones, dealt in turn; default 1 |
 * | BACKPLANE_KV_STORE | `log`, an append log with its index in memory (default), or `lmdb` |
 */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { EnvironmentError } from "@backplane/foundation-runtime/service-environment"
import { firstMembers, storeSizeOf } from "@backplane/kv-replication/first-store"
import type { Member } from "@backplane/kv-replication/partition-map"

export const BACKENDS = ["log", "lmdb"] as const
export type Backend = (typeof BACKENDS)[number]

export interface ShardConfig {
  readonly backend: Backend
  readonly replica: ActorId
  readonly members: readonly Member[]
}

export function readShardConfig(instance: string, environment: Readonly<Record<string, string | undefined>>): ShardConfig {
  const index = /-(\d+)$/.exec(instance)?.[1]
  if (index === undefined)
    throw new EnvironmentError(`BACKPLANE_INSTANCE is "${instance}": a shard's ends with its number, for example kv-shard-0`)
  const size = storeSizeOf(environment)
  if ("field" in size) throw new EnvironmentError(`${size.field} ${size.remedy}`)
  return {
    replica: actorId(`replica.${Number(index)}`),
    members: firstMembers(size),
    backend: backendOf(environment["BACKPLANE_KV_STORE"] ?? "log"),
  }
}

/** The actor that computes beside the replica of this process. */
export function workerOf(instance: string): ActorId {
  return actorId(`replica.worker-${/-(\d+)$/.exec(instance)?.[1] ?? "0"}`)
}

function backendOf(text: string): Backend {
  const backend = BACKENDS.find((name) => name === text)
  if (backend === undefined) throw new EnvironmentError(`BACKPLANE_KV_STORE is "${text}": give ${BACKENDS.join(" or ")}`)
  return backend
}

/** A log is written anew when it has grown by this much and to twice what it holds. */
export const SEGMENT_BYTES = 64 * 1024 * 1024

/** Microseconds. Short enough that a leader that was killed is replaced while a caller waits, long enough for a host that is busy. */
export const LIVE_TIMINGS = { retry: 30_000, hedge: 12_000, handoff: 150_000, election: 150_000, heartbeat: 50_000 } as const
