/** The page store of a machine, as its spec has it. */
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { MEMORY_CONTROLLER, nodeActor } from "@backplane/scenario-machine/topology"
import type { PageStoreOptions } from "./page-store.ts"

const RETRY_TICKS = 4
/** Beyond the pages that the home counts: for those that were handed over and are not taken off yet. */
const SPARE_SLOTS = 64

export function storeSlots({ memory }: MachineSpec): number {
  return (memory?.swapPages ?? 0) + SPARE_SLOTS
}

export function storeOptions({ topology, clock }: MachineSpec): Omit<PageStoreOptions, "device"> {
  return { nodes: topology.nodes, home: MEMORY_CONTROLLER, nodeActor, retryCycles: RETRY_TICKS * clock.tickCycles }
}
