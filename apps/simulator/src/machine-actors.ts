/** Makes any actor of a machine from its name: what the apps do each for their own kind, here for all kinds in one process. */
import { actorIndex, actorKind, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Machine } from "@backplane/foundation-actor/machine"
import { NodeMachine } from "@backplane/compute-node/node"
import { MemoryControllerMachine } from "@backplane/memory-controller/memory-controller"
import { MemoryPageDevice } from "@backplane/memory-controller/page-device"
import { PageStoreMachine } from "@backplane/memory-controller/page-store"
import { storeOptions, storeSlots } from "@backplane/memory-controller/store-options"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { SchedulerMachine } from "@backplane/schedule-scheduler/scheduler"
import { HypervisorMachine } from "@backplane/trap-hypervisor/hypervisor"
import { NO_IMAGES, type ImageStore } from "@backplane/trap-hypervisor/vm-images"
import { taskEngines } from "./task-engines.ts"

/** `incarnation`: life of the actor, from 1. */
export type ActorMaker = (spec: MachineSpec, id: ActorId, incarnation: number) => Machine

export const machineActor: ActorMaker = (spec, id, incarnation) => makeActor(NO_IMAGES, { spec, id, incarnation })

/** The same for machines whose VMs boot these images. */
export function actorsWith(images: ImageStore): ActorMaker {
  return (spec, id, incarnation) => makeActor(images, { spec, id, incarnation })
}

interface ActorOf {
  readonly spec: MachineSpec
  readonly id: ActorId
  readonly incarnation: number
}

function makeActor(images: ImageStore, { spec, id, incarnation }: ActorOf): Machine {
  const index = actorIndex(id)
  switch (actorKind(id)) {
    case "node": {
      const place = { node: Number(index), incarnation }
      return new NodeMachine({ spec, ...place, engines: taskEngines(spec, place) }) as Machine
    }
    case "scheduler":
      return new SchedulerMachine({ spec, queue: index, generation: incarnation }) as Machine
    case "memory":
      return memoryActor(spec, index, incarnation)
    case "hypervisor":
      return new HypervisorMachine({ spec, images }) as Machine
    default:
      throw new Error(`no machine has an actor of this kind: ${id}`)
  }
}

/** The memory controller, or its page store, whose device lasts as long as the machine here. */
function memoryActor(spec: MachineSpec, index: string, incarnation: number): Machine {
  if (!index.startsWith("store-")) return new MemoryControllerMachine({ spec, incarnation }) as Machine
  const device = incarnation === 1 ? undefined : DEVICES.get(spec)
  const kept = device ?? new MemoryPageDevice(storeSlots(spec))
  DEVICES.set(spec, kept)
  return new PageStoreMachine({ ...storeOptions(spec), device: kept }) as Machine
}

const DEVICES = new WeakMap<MachineSpec, MemoryPageDevice>()
