/** A world of nodes with harts in one shared memory, and the memory controller that is its home: what the tests of coherence run in. */
import { actorId } from "@backplane/foundation-actor/actor-id"
import { World } from "@backplane/foundation-simulation/world"
import type { WorldOptions } from "@backplane/foundation-simulation/world-options"
import { PAGE_BYTES, RAM_BASE, type Engine } from "@backplane/compute-contract/engine"
import { WasmEngine } from "@backplane/compute-engine/engine"
import type { PageText } from "@backplane/memory-agent/agent-options"
import { BareNodeMachine, type BareNodeConfig, type HartDriver } from "@backplane/memory-bare/bare-node"
import { MemoryControllerMachine, type MemoryControllerConfig } from "@backplane/memory-controller/memory-controller"
import { MemoryPageDevice } from "@backplane/memory-controller/page-device"
import { PageStoreMachine, type PageStoreOptions } from "@backplane/memory-controller/page-store"
import { storeOptions, storeSlots } from "@backplane/memory-controller/store-options"
import type { Protocol } from "@backplane/memory-coherence/rules"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { MEMORY_CONTROLLER, nodeActor, pageStoreActor } from "@backplane/scenario-machine/topology"
import type { Machine } from "@backplane/foundation-actor/machine"

export const LATENCY_CYCLES = 20
/** Longer than a transaction takes when nothing is lost. */
const RETRY_CYCLES = 400
const PIN_CYCLES = 300
export const SPACE = "shared"

/** The same text as by plain JavaScript, sooner: half of the time of a long run went into it. */
const HOST_TEXT: PageText = {
  encode: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64"),
  decode: (text) => new Uint8Array(Buffer.from(text, "base64")),
}

/** Engines that are used again: thousands of small worlds would else compile the engine each. */
export class EnginePool {
  readonly #engines = new Map<string, WasmEngine[]>()
  readonly #used = new Map<string, number>()

  /** Everything that was taken may be given out again. */
  reset(): void {
    this.#used.clear()
  }

  take(memoryBytes: number, cpus: number): WasmEngine {
    const key = `${memoryBytes}/${cpus}`
    const engines = this.#engines.get(key) ?? []
    this.#engines.set(key, engines)
    const used = this.#used.get(key) ?? 0
    this.#used.set(key, used + 1)
    const engine = engines[used] ?? new WasmEngine({ memoryBytes, cpus })
    if (used === engines.length) engines.push(engine)
    for (let cpu = 0; cpu < cpus; cpu++) engine.clearReservation(cpu)
    return engine
  }
}

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
  /** Where engines come from; all that it gave before are free again. */
  readonly pool?: EnginePool
  /** Where the frame of a page lies when it is touched for the first time; absent: where it is touched. */
  readonly place?: (page: number) => number
  readonly controller?: Partial<MemoryControllerConfig>
  /** Frames of each node, where there are to be fewer than pages; the others lie in a page store. */
  readonly framesPerNode?: number
  readonly store?: Partial<PageStoreOptions>
}

export interface SharedWorld {
  readonly world: World
  readonly engines: readonly Engine[]
  readonly machines: readonly BareNodeMachine[]
  controller(): MemoryControllerMachine | null
  /** Null where there is none, or while it is dead. */
  store(): PageStoreMachine | null
}

/** The nodes are machines of one life: they are never crashed here. */
export function sharedWorld(options: SharedWorldOptions): SharedWorld {
  const { seed, nodes, hartsPerNode, memoryBytes, image, protocol } = options
  const world = new World({ seed, machine: SPACE, latency: LATENCY_CYCLES, stepsMax: 1_000_000_000, fingerprint: "off", ...options.world })
  const pages = memoryBytes / PAGE_BYTES
  const swaps = options.framesPerNode !== undefined
  const spec = resolveMachineSpec({
    topology: { nodes, cpus: nodes * hartsPerNode, framesPerNode: options.framesPerNode ?? pages },
    ...(swaps && { memory: { swapPages: 2 * pages } }),
    jobs: [],
  })
  const shared = protocol === undefined ? {} : { protocol }
  const { place } = options
  world.add(
    MEMORY_CONTROLLER,
    (incarnation) =>
      new MemoryControllerMachine({
        spec,
        incarnation,
        ...shared,
        strict: true,
        retryCycles: RETRY_CYCLES,
        ...options.controller,
        ...(place !== undefined && { place: ({ page }: { readonly page: number }) => place(page) }),
      }) as Machine,
  )
  const device = new MemoryPageDevice(storeSlots(spec, 0))
  if (swaps)
    world.add(
      pageStoreActor(),
      () =>
        new PageStoreMachine({ ...storeOptions(spec, 0), device, text: HOST_TEXT, retryCycles: RETRY_CYCLES, ...options.store }) as Machine,
    )
  const pool = options.pool ?? new EnginePool()
  pool.reset()
  const engines = Array.from({ length: nodes }, () => pool.take(memoryBytes, hartsPerNode))
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
      ...(swaps && { storeOf: () => pageStoreActor() }),
      nodeActor,
      retryCycles: RETRY_CYCLES,
      pinCycles: PIN_CYCLES,
      strict: true,
      text: HOST_TEXT,
      ...shared,
      ...options.node?.(node, engine),
    })
  })
  machines.forEach((machine, node) => {
    world.add(actorId(`node.${node}`), () => machine as Machine)
  })
  return {
    world,
    engines,
    machines,
    controller: () => world.inspect(MEMORY_CONTROLLER, MemoryControllerMachine),
    store: () => (swaps ? world.inspect(pageStoreActor(), PageStoreMachine) : null),
  }
}

/** The bytes of a page where they are freshest. */
export function freshPage(shared: SharedWorld, page: number): Uint8Array {
  const { machines, engines } = shared
  const store = shared.store()
  const copies = machines.map(({ agent }, node) => ({ node, ...agent.inspect(page) }))
  const fresh = copies.reduce((best, copy) => (freshness(copy) > freshness(best) ? copy : best))
  const stored = store?.bytesOf(SPACE, page) ?? null
  if (stored !== null && (store?.versionOf(SPACE, page) ?? 0) > freshness(fresh)) return stored
  return engines[fresh.node]?.readMemory(RAM_BASE + BigInt(page * PAGE_BYTES), PAGE_BYTES) ?? new Uint8Array(PAGE_BYTES)
}

function freshness({
  state,
  version,
  stored,
}: {
  readonly state: string
  readonly version: number
  readonly stored: number | null
}): number {
  const owns = state === "E" || state === "M" || state === "EI_A" || state === "MI_A"
  return Math.max(version, stored ?? 0) + (owns ? 0.5 : 0)
}
