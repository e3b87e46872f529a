/** The key-value store beside a simulated machine: replicas on the same bus, and a door of each node to them. */
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Machine } from "@backplane/foundation-actor/machine"
import type { World } from "@backplane/foundation-simulation/world"
import { BlockDoorMachine } from "@backplane/kv-client/block-door"
import { KvRequester, REQUESTER_TIMINGS } from "@backplane/kv-client/requester"
import { WIRE_VERSION } from "@backplane/kv-contract/forms"
import { FIRST_BUCKETS } from "@backplane/kv-contract/first-buckets"
import { ReplicaMachine } from "@backplane/kv-replica/replica"
import { TIMINGS_DEFAULT } from "@backplane/kv-replica/replica-options"
import { partitionMap } from "@backplane/kv-replication/partition-map"
import { firstConfig } from "@backplane/kv-replication/placement"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { doorActor } from "@backplane/scenario-machine/topology"
import { encodeRoot, newRoot, ROOT_BUCKET, rootKey } from "@backplane/trap-contract/disk-layout"
import type { BlockOperation, BlockTold } from "@backplane/trap-contract/disk-messages"

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
    world.add(id, () => {
      const timings = scaled(TIMINGS_DEFAULT)
      return new ReplicaMachine({
        id,
        map,
        buckets: FIRST_BUCKETS,
        timings,
        storeVersion: WIRE_VERSION,
      }) as Machine
    })
  for (let node = 0; node < topology.nodes; node++)
    world.add(doorActor(node), () => {
      const requester = new KvRequester({ members: REPLICAS, timings: scaled(REQUESTER_TIMINGS) })
      requester.configure(firstConfig(map, FIRST_BUCKETS))
      return new BlockDoorMachine(requester) as Machine
    })
}

/** Asks the store as a node does, through the door of node 0. */
export class StoreAsker {
  readonly #world: World
  /** Lets so many ticks of machine time go by. */
  readonly #pass: (ticks: number) => void
  readonly #answers = new Map<string, BlockTold>()
  #asked = 0

  constructor(world: World, pass: (ticks: number) => void) {
    this.#world = world
    this.#pass = pass
    world.onMessage(({ to, body }) => {
      if (to === ASKER && body.kind === "BlockTold") this.#answers.set((body as BlockTold).request, body as BlockTold)
    })
  }

  ask(operation: BlockOperation): BlockTold {
    const request = `asker.${this.#asked++}`
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      this.#world.inject({ from: ASKER, to: doorActor(0), body: { kind: "BlockAsk", request, operation } as never })
      this.#pass(TICKS_BETWEEN_TRIES)
      const told = this.#answers.get(request)
      if (told?.outcome === "done") return told
    }
    throw new Error(`the store does not answer: ${operation.type} of ${operation.bucket}/${operation.key}`)
  }

  /** An empty disk. */
  makeVolume(name: string, bytes: number): void {
    const value = encodeRoot(newRoot({ bytes, uid: "disk01" }))
    const { swapped } = this.ask({ type: "cas", bucket: ROOT_BUCKET, key: rootKey(name), expect: null, value })
    if (swapped !== true) throw new Error(`there is a disk ${name} already`)
  }
}

const ASKER = actorId("operator.store")
const TRIES_MAX = 100
const TICKS_BETWEEN_TRIES = 20
