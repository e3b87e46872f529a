/**
 * Runs a litmus test on the machine: each thread is a hart on an engine, the variables lie in memory that nodes share under the coherence
 * protocol, and who goes on when is drawn from the seed, with messages late and out of order.
 */
import { RAM_BASE, type Engine } from "@backplane/compute-contract/engine"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Random } from "@backplane/foundation-base/random"
import type { HartDriver } from "@backplane/memory-bare/bare-node"
import { freshPage, sharedWorld, type EnginePool } from "../coherence/shared-world.ts"
import { assemble } from "./litmus-instruction.ts"
import { StoreBuffer } from "./store-buffer.ts"
import { outcomeText, SLOT_BYTES } from "./sc-outcomes.ts"
import type { LitmusTest } from "./litmus-file.ts"

/** Where threads and variables lie. */
export const PLACEMENTS = ["same-node", "two-nodes", "same-page", "two-homes"] as const
export type Placement = (typeof PLACEMENTS)[number]

const PAGE_BYTES = 4096
const EBREAK = 0x00100073
/** No test of a few instructions takes longer. */
const CYCLES_MAX = 2_000_000
const QUANTUM_MAX = 3

export interface LitmusRunOptions {
  readonly placement: Placement
  readonly seed: number
  /** A bug: each hart's stores wait in a buffer, as on a machine with total store order. */
  readonly storeBuffer?: boolean
  readonly pool?: EnginePool
}

interface Layout {
  readonly nodes: number
  readonly hartsPerNode: number
  /** By variable: its address from the beginning of RAM. */
  readonly variables: readonly number[]
  readonly pages: number
  readonly homeOf: (page: number) => number
}

/** Thread t's code is in page t; each thread of another node than the one before, where they are on several. */
function layoutOf(test: LitmusTest, placement: Placement): Layout {
  const threads = test.threads.length
  const first = threads * PAGE_BYTES
  const isOnePage = placement === "same-page" || placement === "same-node"
  const variables = test.variables.map((_, index) => first + (isOnePage ? index * SLOT_BYTES : index * PAGE_BYTES))
  const nodes = placement === "same-node" ? 1 : Math.max(2, threads)
  return {
    nodes,
    hartsPerNode: placement === "same-node" ? threads : 1,
    variables,
    pages: threads + Math.max(1, isOnePage ? 1 : test.variables.length),
    homeOf: (page) => (placement === "two-homes" ? page % nodes : 0),
  }
}

/** One run: its outcome, as `outcomeText` gives it. */
export function runLitmus(test: LitmusTest, options: LitmusRunOptions): string {
  const layout = layoutOf(test, options.placement)
  const shared = sharedWorld({
    seed: options.seed,
    nodes: layout.nodes,
    hartsPerNode: layout.hartsPerNode,
    memoryBytes: layout.pages * PAGE_BYTES,
    image: imageOf(test, layout),
    place: layout.homeOf,
    ...(options.pool !== undefined && { pool: options.pool }),
    world: { faults: { until: virtualTime(Number.MAX_SAFE_INTEGER), delay: { min: 1, max: 60 }, reordering: 0.5 }, stepsMax: CYCLES_MAX },
    driver: (node, engine) => new LitmusDriver({ test, layout, node, engine, storeBuffer: options.storeBuffer === true }),
  })
  const done = (): boolean => shared.machines.every((machine) => machine.done)
  shared.world.run({ until: virtualTime(CYCLES_MAX), stop: done })
  if (!done()) throw new Error(`${test.name} does not end (${options.placement}, seed ${options.seed})`)
  return outcomeText(test, {
    register: (thread, register) => {
      const engine = shared.engines[Math.floor(thread / layout.hartsPerNode)]
      return engine?.readRegister(thread % layout.hartsPerNode, register) ?? 0n
    },
    variable: (index, bytes) => {
      const address = layout.variables[index] ?? 0
      const page = freshPage(shared, Math.floor(address / PAGE_BYTES))
      let value = 0n
      for (let byte = bytes - 1; byte >= 0; byte--) value = (value << 8n) | BigInt(page[(address % PAGE_BYTES) + byte] ?? 0)
      return value
    },
  })
}

function imageOf(test: LitmusTest, layout: Layout): Uint8Array {
  const image = new Uint8Array(layout.pages * PAGE_BYTES)
  const view = new DataView(image.buffer)
  test.threads.forEach(({ instructions }, thread) => {
    instructions.forEach((instruction, index) => {
      view.setUint32(thread * PAGE_BYTES + index * 4, assemble(instruction, index), true)
    })
    view.setUint32(thread * PAGE_BYTES + instructions.length * 4, EBREAK, true)
  })
  test.variables.forEach(({ bytes, value }, index) => {
    for (let byte = 0, rest = value; byte < bytes; byte++, rest >>= 8n) image[(layout.variables[index] ?? 0) + byte] = Number(rest & 0xffn)
  })
  return image
}

interface LitmusDriverOptions {
  readonly test: LitmusTest
  readonly layout: Layout
  readonly node: number
  readonly engine: Engine
  readonly storeBuffer: boolean
}

class LitmusDriver implements HartDriver {
  readonly #buffers: readonly StoreBuffer[] | null

  constructor({ test, layout, node, engine, storeBuffer }: LitmusDriverOptions) {
    const threads = Array.from({ length: layout.hartsPerNode }, (_, hart) => node * layout.hartsPerNode + hart)
    threads.forEach((thread, hart) => {
      const { registers } = test.threads[thread] ?? { registers: new Map<number, bigint | string>() }
      for (let register = 1; register < 32; register++) {
        const value = registers.get(register) ?? 0n
        const variable = typeof value === "string" ? (layout.variables[test.variables.findIndex(({ name }) => name === value)] ?? 0) : null
        engine.writeRegister(hart, register, typeof value === "bigint" ? value : RAM_BASE + BigInt(variable ?? 0))
      }
      // A node without a thread of its own runs the end of the first one's.
      const start = thread < test.threads.length ? thread * PAGE_BYTES : (test.threads[0]?.instructions.length ?? 0) * 4
      engine.writePc(hart, RAM_BASE + BigInt(start))
    })
    this.#buffers = storeBuffer ? threads.map((_, hart) => new StoreBuffer(engine, hart)) : null
  }

  budget(cpu: number, random: Random): number | null {
    if (this.#buffers === null) return random.between(1, QUANTUM_MAX)
    return this.#buffers[cpu]?.budget(random) ?? null
  }

  retired(cpu: number): void {
    this.#buffers?.[cpu]?.retired()
  }

  left(cpu: number): boolean {
    return this.#buffers?.[cpu]?.ended() ?? true
  }
}
