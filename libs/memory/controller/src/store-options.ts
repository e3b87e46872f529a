/** The page store of a machine, as its spec has it. */
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { memoryController, memoryControllersOf, nodeActor, partOf } from "@backplane/scenario-machine/topology"
import type { PageStoreOptions } from "./page-store.ts"

const RETRY_TICKS = 4
/** Beyond the pages that the home counts: for those that were handed over and are not taken off yet. */
const SPARE_SLOTS = 64

/** Pages that the store of this controller may be given. */
export function storePages(spec: MachineSpec, index: number): number {
  return partOf(spec.memory?.swapPages ?? 0, { index, of: memoryControllersOf(spec) })
}

export function storeSlots(spec: MachineSpec, index: number): number {
  return storePages(spec, index) + SPARE_SLOTS
}

/** Number of the store, of its actor's index: `store-1` → 1; null: that is a controller's. */
export function storeIndexOf(actorIndex: string): number | null {
  return actorIndex.startsWith("store-") ? Number(actorIndex.slice("store-".length)) : null
}

export function storeOptions({ topology, clock }: MachineSpec, index: number): Omit<PageStoreOptions, "device"> {
  return { nodes: topology.nodes, home: memoryController(index), nodeActor, retryCycles: RETRY_TICKS * clock.tickCycles }
}
