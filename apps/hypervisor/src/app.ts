/** Hosts hypervisors, and keeps the office where whole machines are made, listed and ended. */
import type { Machine } from "@backplane/foundation-actor/machine"
import { startActorService, type ActorService, type Environment } from "@backplane/foundation-process/actor-service"
import { readServiceEnvironment } from "@backplane/foundation-runtime/service-environment"
import { connectToBus } from "@backplane/foundation-runtime/connection"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"
import { machineSpecOf } from "@backplane/scenario-machine/resolve"
import { HypervisorMachine } from "@backplane/trap-hypervisor/hypervisor"
import { ImageFiles } from "./image-files.ts"
import { MachineOffice } from "./machine-office.ts"
import { readScenario } from "./scenario-file.ts"

export async function start(environment: Environment): Promise<ActorService> {
  const images = new ImageFiles(readServiceEnvironment("hypervisor", environment, process.argv.slice(2), process.pid).dataFolder)
  const scenario = readScenario(environment["BACKPLANE_SCENARIO"], images)
  const offices: MachineOffice[] = []
  const service = await startActorService({
    service: "hypervisor",
    environment,
    codec: new MessageCodec(),
    actorFactory: (_actor, config) => new HypervisorMachine({ spec: machineSpecOf(config), images }) as Machine,
    onStop: async () => {
      for (const office of offices) await office.stop()
      images.close()
    },
  })
  const connection = await connectToBus("hypervisor", service.settings)
  const { dataFolder, parentPid } = service.settings
  const office = new MachineOffice({
    connection,
    instance: service.instance,
    dataFolder,
    run: String(parentPid ?? 0),
    events: service.telemetry,
    images,
  })
  offices.push(office)
  await office.start(scenario)
  return service
}
