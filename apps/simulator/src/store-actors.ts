/** The key-value store beside a simulated machine: replicas on the same bus, and a door of each node to them. */
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Machine } from "@backplane/foundation-actor/machine"
import type { World } from "@backplane/foundation-simulation/world"
import { BlockDoorMachine } from "@backplane/kv-client/block-door"
import { KvRequester, REQUESTER_TIMINGS } from "@backplane/kv-client/requester"
import { FIRST_BUCKETS } from "@backplane/kv-contract/first-buckets"
import { ReplicaMachine } from "@backplane/kv-replica/replica"
import { TIMINGS_DEFAULT } from "@backplane/kv-replica/replica-options"
import { partitionMap } from "@backplane/kv-replication/partition-map"
import { firstConfig } from "@backplane/kv-replication/placement"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { doorActor } from "@backplane/scenario-machine/topology"

const SHARDS = 3
/** Timings of the store are in microseconds. */
const MICROSECONDS = 1e6

export const REPLICAS = Array.from({ length: SHARDS }, (_, index) => actorId(`replica.${index}`))

export function addStore(world: World, { clock, topology }: MachineSpec): void {
  const scale = clock.cyclesPerSecond / MICROSECONDS
  const scaled = <Timings extends object>(timings: Timings): Timings =>
    Object.fromEntries(Object.entries(timings).map(([name, value]) => [name, Number(value) * scale])) as Timings
  const map = partitionMap(REPLICAS.map((id, index) => ({ id, zone: `zone-${index}` })))
  for (const id of REPLICAS)
    world.add(id, () => new ReplicaMachine({ id, map, buckets: FIRST_BUCKETS, timings: scaled(TIMINGS_DEFAULT) }) as Machine)
  for (let node = 0; node < topology.nodes; node++)
    world.add(doorActor(node), () => {
      const requester = new KvRequester({ members: REPLICAS, timings: scaled(REQUESTER_TIMINGS) })
      requester.configure(firstConfig(map, FIRST_BUCKETS))
      return new BlockDoorMachine(requester) as Machine
    })
}
