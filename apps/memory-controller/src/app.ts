/** Hosts memory controllers: machine frames and who has them. */
import { startActorService, type ActorService, type Environment } from "@backplane/foundation-process/actor-service"
import type { Machine } from "@backplane/foundation-actor/machine"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"
import { machineSpecOf } from "@backplane/scenario-machine/resolve"
import { MemoryControllerMachine } from "@backplane/memory-controller/memory-controller"

export function start(environment: Environment): Promise<ActorService> {
  return startActorService({
    service: "memory-controller",
    environment,
    codec: new MessageCodec(),
    actorFactory: (_actor, config, context) =>
      new MemoryControllerMachine({ spec: machineSpecOf(config), incarnation: context.epoch }) as Machine,
  })
}
