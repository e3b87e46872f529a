/** What a replica is made from. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Bucket } from "@backplane/kv-contract/bucket"
import type { PartitionMap } from "@backplane/kv-replication/partition-map"
import type { Handlers } from "@backplane/kv-versioning/reconcile/handler/handler"
import type { ReplicaRules } from "./rules.ts"

/** All in cycles. */
export interface ReplicaTimings {
  /** A question that is not answered is sent again after this. */
  readonly retry: number
  /** How often it is looked whether a read waits longer than most; none waits less for another to be asked. */
  readonly hedge: number
  /** After this a request is refused as not met. */
  readonly deadline: number
  /** A replica that did not acknowledge for so long gets a hint. */
  readonly handoff: number
  readonly hintRound: number
  readonly syncRound: number
  readonly certifyRound: number
  /** A follower that hears nothing of its leader for so long, and up to twice that, asks for votes. */
  readonly election: number
  readonly heartbeat: number
  /** How often a move of partitions is pushed on. */
  readonly move: number
  /** How often it is looked whether a handler outside is to be asked. */
  readonly handler: number
}

export interface ReplicaOptions {
  readonly id: ActorId
  readonly map: PartitionMap
  readonly buckets: readonly Bucket[]
  readonly handlers?: Handlers
  /** Microseconds of wall time at a virtual time; may be wrong, as clocks are. */
  readonly wall?: (now: VirtualTime) => number
  readonly timings?: Partial<ReplicaTimings>
  readonly rules?: ReplicaRules
  /** The worker beside this replica, for map and reduce; without one they are refused. */
  readonly worker?: ActorId
  readonly hintsPerReplicaMax?: number
  /** Of the messages among replicas, that this one speaks: the present one; an earlier one only to try a rolling upgrade. */
  readonly version?: number
  /** That every first member speaks. Default: the first, for a program cannot know what the others are. */
  readonly storeVersion?: number
}

/** At a cycle a microsecond: 50 ms, 20 ms, 1 s, 100 ms, 0.5 s, 1 s, 5 s, 300 ms, 100 ms, 20 ms, 20 ms. */
export const TIMINGS_DEFAULT: ReplicaTimings = {
  retry: 50_000,
  hedge: 20_000,
  deadline: 1_000_000,
  handoff: 100_000,
  hintRound: 500_000,
  syncRound: 1_000_000,
  certifyRound: 5_000_000,
  election: 300_000,
  heartbeat: 100_000,
  move: 20_000,
  handler: 20_000,
}
