/** Hosts one replica of the store on a log of its own. A shard hosts itself: the store must be there before any machine is. */
import { startActorService, type ActorService, type Environment } from "@backplane/foundation-process/actor-service"
import type { Machine } from "@backplane/foundation-actor/machine"
import { MemoryStore } from "@backplane/foundation-runtime/store"
import { FIRST_BUCKETS } from "@backplane/kv-contract/first-buckets"
import type { KvGone } from "@backplane/kv-contract/client-messages"
import { ReplicaMachine } from "@backplane/kv-replica/replica"
import { STORE, STORE_CYCLES_PER_SECOND } from "@backplane/kv-replication/first-store"
import { partitionMap } from "@backplane/kv-replication/partition-map"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"
import { ComputeActor } from "./compute-actor.ts"
import { LIVE_TIMINGS, readShardConfig, workerOf } from "./config.ts"
import { storesOf } from "./stores.ts"

/** A peer whose link breaks has ended, most likely: who waits for it hears of it at once. */
const GONE: KvGone = { kind: "KvGone" }

export async function start(environment: Environment): Promise<ActorService> {
  let replica: ReplicaMachine | null = null
  const service = await startActorService({
    service: "kv-shard",
    environment,
    codec: new MessageCodec(),
    links: { lost: GONE },
    store: async ({ dataFolder, instance }) =>
      dataFolder === null ? new MemoryStore() : (await storesOf(readShardConfig(instance, environment).backend))(dataFolder),
    actorFactory: (id) => {
      const worker = workerOf(service.instance)
      if (id === worker) return new ComputeActor((source) => replica?.entries(source) ?? null) as Machine
      const map = partitionMap(readShardConfig(service.instance, environment).members)
      replica = new ReplicaMachine({ id, map, buckets: FIRST_BUCKETS, timings: LIVE_TIMINGS, worker })
      return replica as Machine
    },
  })
  const actors = [workerOf(service.instance), readShardConfig(service.instance, environment).replica].map((id) => ({ id, config: null }))
  const mode = { kind: "free", cyclesPerSecond: STORE_CYCLES_PER_SECOND, originMilliseconds: 0 } as const
  const reply = await service.control({ op: "host", machine: STORE, epoch: 1, mode, actors })
  if (!reply.ok) throw new Error(`the replica cannot be hosted: ${reply.field} ${reply.reason}`)
  return service
}
