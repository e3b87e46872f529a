/** The node with its shared memories: what `SpaceHost` is made from in a machine. */
import type { Machine } from "@backplane/foundation-actor/machine"
import { RAW_BYTES } from "@backplane/foundation-runtime/raw-bytes"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { SpaceHost } from "@backplane/memory-bare/space-host"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { controllerOfPage, memoryController, nodeActor, pageStoreActor } from "@backplane/scenario-machine/topology"

/** An unanswered request for a page is made again after so many ticks; counts are told as often. */
const RETRY_TICKS = 2

export function withSpaces(
  machine: Machine,
  spec: MachineSpec,
  { node, incarnation }: { readonly node: number; readonly incarnation: number },
): Machine {
  const { tickCycles } = spec.clock
  return new SpaceHost(machine, {
    node,
    nodes: spec.topology.nodes,
    incarnation,
    makeEngine: (options) => new WasmEngine(options),
    homeOf: (page) => memoryController(controllerOfPage(spec, page)),
    ...((spec.memory?.swapPages ?? 0) > 0 && { storeOf: (page: number) => pageStoreActor(controllerOfPage(spec, page)) }),
    nodeActor,
    retryCycles: RETRY_TICKS * tickCycles,
    pinCycles: tickCycles,
    countCycles: RETRY_TICKS * tickCycles,
    text: RAW_BYTES,
  })
}
