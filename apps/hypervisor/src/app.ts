/** Hosts hypervisors, and keeps the office where whole machines are made, listed and ended. */
import type { Machine } from "@backplane/foundation-actor/machine"
import { startActorService, type ActorService, type Environment } from "@backplane/foundation-process/actor-service"
import { connectToBus } from "@backplane/foundation-runtime/connection"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"
import { machineSpecOf } from "@backplane/scenario-machine/resolve"
import { HypervisorMachine } from "@backplane/trap-hypervisor/hypervisor"
import { MachineOffice } from "./machine-office.ts"
import { readScenario } from "./scenario-file.ts"

export async function start(environment: Environment): Promise<ActorService> {
  const scenario = readScenario(environment["BACKPLANE_SCENARIO"])
  const offices: MachineOffice[] = []
  const service = await startActorService({
    service: "hypervisor",
    environment,
    codec: new MessageCodec(),
    actorFactory: (_actor, config) => new HypervisorMachine({ spec: machineSpecOf(config) }) as Machine,
    onStop: async () => {
      for (const office of offices) await office.stop()
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
  })
  offices.push(office)
  await office.start(scenario)
  return service
}
