/** Hosts nodes: CPUs, caches and local memory, and the tasks that run there. */
import { startActorService, type ActorService, type Environment } from "@backplane/foundation-process/actor-service"
import { actorIndex } from "@backplane/foundation-actor/actor-id"
import type { Machine } from "@backplane/foundation-actor/machine"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"
import { machineSpecOf } from "@backplane/scenario-machine/resolve"
import { NodeMachine } from "@backplane/compute-node/node"
import { taskEngines } from "./task-engines.ts"

export function start(environment: Environment): Promise<ActorService> {
  return startActorService({
    service: "numa-node",
    environment,
    codec: new MessageCodec(),
    actorFactory: (actor, config, context) => {
      const spec = machineSpecOf(config)
      const place = { node: Number(actorIndex(actor)), incarnation: context.epoch }
      return new NodeMachine({ spec, ...place, engines: taskEngines(spec, place) }) as Machine
    },
  })
}
