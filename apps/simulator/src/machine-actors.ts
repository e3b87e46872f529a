/** Makes any actor of a machine from its name: what the apps do each for their own kind, here for all kinds in one process. */
import { actorIndex, actorKind, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Machine } from "@backplane/foundation-actor/machine"
import { NodeMachine } from "@backplane/compute-node/node"
import { MemoryControllerMachine } from "@backplane/memory-controller/memory-controller"
import { MemoryPageDevice } from "@backplane/memory-controller/page-device"
import { PageStoreMachine } from "@backplane/memory-controller/page-store"
import { storeIndexOf, storeOptions, storeSlots } from "@backplane/memory-controller/store-options"
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

/** A memory controller, or its page store, whose device lasts as long as the machine here. */
function memoryActor(spec: MachineSpec, actor: string, incarnation: number): Machine {
  const index = storeIndexOf(actor)
  if (index === null) return new MemoryControllerMachine({ spec, incarnation, index: Number(actor) }) as Machine
  const devices = DEVICES.get(spec) ?? new Map<number, MemoryPageDevice>()
  DEVICES.set(spec, devices)
  const device = (incarnation === 1 ? undefined : devices.get(index)) ?? new MemoryPageDevice(storeSlots(spec, index))
  devices.set(index, device)
  return new PageStoreMachine({ ...storeOptions(spec, index), device }) as Machine
}

const DEVICES = new WeakMap<MachineSpec, Map<number, MemoryPageDevice>>()
