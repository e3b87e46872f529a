/** A world of nodes with harts in one shared memory, and the memory controller that is its home: what the tests of coherence run in. */
import { actorId } from "@backplane/foundation-actor/actor-id"
import { World } from "@backplane/foundation-simulation/world"
import type { WorldOptions } from "@backplane/foundation-simulation/world-options"
import { RAM_BASE, type Engine } from "@backplane/compute-contract/engine"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { BareNodeMachine, type BareNodeConfig, type HartDriver } from "@backplane/memory-bare/bare-node"
import { MemoryControllerMachine } from "@backplane/memory-controller/memory-controller"
import type { Protocol } from "@backplane/memory-coherence/rules"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { MEMORY_CONTROLLER, nodeActor } from "@backplane/scenario-machine/topology"
import type { Machine } from "@backplane/foundation-actor/machine"

export const LATENCY_CYCLES = 20
/** Longer than a transaction takes when nothing is lost. */
const RETRY_CYCLES = 400
const PIN_CYCLES = 300
const SPACE = "shared"

export interface SharedWorldOptions {
  readonly seed: number
  readonly nodes: number
  readonly hartsPerNode: number
  readonly memoryBytes: number
  /** The memory as every node begins with it, from `RAM_BASE`. */
  readonly image: Uint8Array
  readonly driver: (node: number, engine: Engine) => HartDriver
  readonly protocol?: Protocol
  readonly world?: Partial<WorldOptions>
  readonly node?: (node: number, engine: Engine) => Partial<BareNodeConfig>
  /** Where the frame of a page lies when it is touched for the first time; absent: where it is touched. */
  readonly place?: (page: number) => number
}

export interface SharedWorld {
  readonly world: World
  readonly engines: readonly Engine[]
  readonly machines: readonly BareNodeMachine[]
  controller(): MemoryControllerMachine | null
}

/** The nodes are machines of one life: they are never crashed here. */
export function sharedWorld(options: SharedWorldOptions): SharedWorld {
  const { seed, nodes, hartsPerNode, memoryBytes, image, protocol } = options
  const world = new World({ seed, machine: SPACE, latency: LATENCY_CYCLES, stepsMax: 1_000_000_000, fingerprint: "off", ...options.world })
  const spec = resolveMachineSpec({ topology: { nodes, cpus: nodes * hartsPerNode, framesPerNode: memoryBytes / 4096 }, jobs: [] })
  const shared = protocol === undefined ? {} : { protocol }
  const { place } = options
  world.add(
    MEMORY_CONTROLLER,
    (incarnation) =>
      new MemoryControllerMachine({
        spec,
        incarnation,
        ...shared,
        ...(place !== undefined && { place: ({ page }: { readonly page: number }) => place(page) }),
      }) as Machine,
  )
  const engines = Array.from({ length: nodes }, () => new WasmEngine({ memoryBytes, cpus: hartsPerNode }))
  const machines = engines.map((engine, node) => {
    engine.writeMemory(RAM_BASE, image)
    return new BareNodeMachine({
      space: SPACE,
      node,
      nodes,
      engine,
      driver: options.driver(node, engine),
      seed,
      homeOf: () => MEMORY_CONTROLLER,
      nodeActor,
      retryCycles: RETRY_CYCLES,
      pinCycles: PIN_CYCLES,
      ...shared,
      ...options.node?.(node, engine),
    })
  })
  machines.forEach((machine, node) => {
    world.add(actorId(`node.${node}`), () => machine as Machine)
  })
  return { world, engines, machines, controller: () => world.inspect(MEMORY_CONTROLLER, MemoryControllerMachine) }
}
