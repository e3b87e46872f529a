/** Hosts schedulers: one actor for each run queue. */
import { startActorService, type ActorService, type Environment } from "@backplane/foundation-process/actor-service"
import { actorIndex } from "@backplane/foundation-actor/actor-id"
import type { Machine } from "@backplane/foundation-actor/machine"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"
import { machineSpecOf } from "@backplane/scenario-machine/resolve"
import { NodeTime } from "@backplane/schedule-scheduler/node-time"
import { SchedulerMachine } from "@backplane/schedule-scheduler/scheduler"

export function start(environment: Environment): Promise<ActorService> {
  return startActorService({
    service: "cpu-scheduler",
    environment,
    codec: new MessageCodec(),
    actorFactory: (actor, config, { epoch, mode }) => {
      const scheduler = new SchedulerMachine({ spec: machineSpecOf(config), queue: actorIndex(actor), generation: epoch })
      return (mode.kind === "free" ? new NodeTime(scheduler) : scheduler) as Machine
    },
  })
}
