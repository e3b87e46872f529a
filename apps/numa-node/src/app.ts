/** Hosts nodes: CPUs, caches and local memory, and the tasks that run there; beside each a door to the store, for disks of VMs. */
import { join } from "node:path"
import { LINKS_OF_MEMORY, startActorService, type ActorService, type Environment } from "@backplane/foundation-process/actor-service"
import { actorIndex } from "@backplane/foundation-actor/actor-id"
import type { Machine } from "@backplane/foundation-actor/machine"
import { readServiceEnvironment } from "@backplane/foundation-runtime/service-environment"
import { AppendLogStore } from "@backplane/foundation-runtime/append-log-store"
import { MemoryStore } from "@backplane/foundation-runtime/store"
import { LogStore } from "@backplane/kv-store/log-store"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"
import { machineSpecOf } from "@backplane/scenario-machine/resolve"
import { NodeMachine } from "@backplane/compute-node/node"
import { withSpaces } from "./space-host.ts"
import { StoreDoors } from "./store-doors.ts"
import { taskEngines } from "./task-engines.ts"

/** A log is written anew when it has grown by this much and to twice what it holds. */
const SEGMENT_BYTES = 16 * 1024 * 1024

export async function start(environment: Environment): Promise<ActorService> {
  const { dataFolder } = readServiceEnvironment("numa-node", environment, process.argv.slice(2), process.pid)
  const doors = new StoreDoors(environment, { event: (record) => service.telemetry.event(record) })
  const service = await startActorService({
    service: "numa-node",
    environment,
    codec: new MessageCodec(),
    links: LINKS_OF_MEMORY,
    // What guests write to their disks is many small values: a log, not a file for each.
    store: ({ dataFolder }) =>
      dataFolder === null
        ? new MemoryStore()
        : new AppendLogStore(dataFolder, (segments) => new LogStore(segments, { segmentBytesMin: SEGMENT_BYTES })),
    actorFactory: (actor, config, context) => {
      const spec = machineSpecOf(config)
      const place = { node: Number(actorIndex(actor)), incarnation: context.epoch }
      doors.open(context.machine, place.node)
      return withSpaces(
        new NodeMachine({
          spec,
          ...place,
          engines: taskEngines(spec, place, dataFolder === null ? null : join(dataFolder, context.machine)),
        }) as Machine,
        spec,
        place,
      )
    },
    onStop: () => doors.close(),
  })
  return service
}
