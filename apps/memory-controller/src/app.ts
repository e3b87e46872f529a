/** Hosts memory controllers (machine frames and who has them) and page stores (pages that have no frame in a node). */
import { join } from "node:path"
import { LINKS_OF_MEMORY, startActorService, type ActorService, type Environment } from "@backplane/foundation-process/actor-service"
import { actorIndex } from "@backplane/foundation-actor/actor-id"
import type { Machine } from "@backplane/foundation-actor/machine"
import { RAW_BYTES } from "@backplane/foundation-runtime/raw-bytes"
import { readServiceEnvironment } from "@backplane/foundation-runtime/service-environment"
import { MemoryControllerMachine } from "@backplane/memory-controller/memory-controller"
import { MemoryPageDevice, type PageDevice } from "@backplane/memory-controller/page-device"
import { PageStoreMachine } from "@backplane/memory-controller/page-store"
import { storeIndexOf, storeOptions, storeSlots } from "@backplane/memory-controller/store-options"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"
import { machineSpecOf } from "@backplane/scenario-machine/resolve"
import { PageFile } from "./page-file.ts"

const SERVICE = "memory-controller"

export function start(environment: Environment): Promise<ActorService> {
  const { dataFolder } = readServiceEnvironment(SERVICE, environment, process.argv.slice(2), process.pid)
  return startActorService({
    service: SERVICE,
    environment,
    codec: new MessageCodec(),
    links: LINKS_OF_MEMORY,
    actorFactory: (actor, config, { epoch, machine, whenGone }) => {
      const spec = machineSpecOf(config)
      const index = storeIndexOf(actorIndex(actor))
      if (index === null) return new MemoryControllerMachine({ spec, incarnation: epoch, index: Number(actorIndex(actor)) }) as Machine
      const slots = storeSlots(spec, index)
      const made = (device: PageDevice): Machine =>
        new PageStoreMachine({ ...storeOptions(spec, index), device, text: RAW_BYTES }) as Machine
      // Without a data folder nothing of the process outlives it.
      if (dataFolder === null) return made(new MemoryPageDevice(slots))
      const file = new PageFile({ folder: join(dataFolder, machine, `${actor}.pages`), slots, fresh: epoch === 1 })
      whenGone(() => file.close())
      return made(file)
    },
  })
}
