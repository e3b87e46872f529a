/** The actors of the memory bench: a node that reads pages, their home, and the node where they lie; each in a process of its own. */
import type { Bus } from "@backplane/foundation-actor/bus"
import type { Machine } from "@backplane/foundation-actor/machine"
import { RAW_BYTES } from "@backplane/foundation-runtime/raw-bytes"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { RAM_BASE, type Engine } from "@backplane/compute-contract/engine"
import { encode } from "@backplane/compute-riscv/encode"
import { BareNodeMachine, type HartDriver } from "@backplane/memory-bare/bare-node"
import { WALK_PAGES } from "@backplane/memory-bare/space-host"
import { MemoryControllerMachine } from "@backplane/memory-controller/memory-controller"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { MEMORY_CONTROLLER, nodeActor } from "@backplane/scenario-machine/topology"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"
import { linkedNatsBus } from "@backplane/foundation-runtime/link/linked-nats-bus"
import { NatsBus } from "@backplane/foundation-runtime/nats-bus"
import { MemorySink } from "@backplane/foundation-runtime/sinks"
import { hostOver } from "./bus-ends.ts"
import type { ActorHost } from "@backplane/foundation-runtime/actor-host"
import type { NatsConnection } from "@nats-io/nats-core"

const PAGE_BYTES = 4096
/** A round reads each page once. */
export const PAGES = 4000
/** So many are known when the home of all is killed. */
export const REBUILT_PAGES = 32_768
export const HARTS = 64
export const BARE_PAGE = "bare.page"
const NODES = 2
/** Cycles are nanoseconds here: nothing is asked twice within a second. */
const RETRY_CYCLES = 1_000_000_000
/** Ten milliseconds, as machines have it. */
const TICK_CYCLES = 10_000_000

export const PARTS = ["controller", "owner", "reader"] as const
export type Part = (typeof PARTS)[number]

/** Loads pages one after the other (a hart of the engine each), each once; the code is in page 0. */
class PageReader implements HartDriver {
  readonly #engine: Engine
  readonly #pages: number
  #next = 1
  #left: number
  #done: () => void
  readonly #harts: number

  constructor(engine: Engine, { harts, pages, done }: { readonly harts: number; readonly pages: number; readonly done: () => void }) {
    this.#engine = engine
    this.#pages = pages
    this.#left = pages - 1
    this.#done = done
    this.#harts = harts
    for (let cpu = 0; cpu < engine.options.cpus; cpu++) engine.writeRegister(cpu, 5, 0n)
  }

  budget(cpu: number): number | null {
    if (this.#engine.readRegister(cpu, 5) !== 0n) return 1
    if (cpu >= this.#harts || this.#next >= this.#pages) return null
    this.#engine.writeRegister(cpu, 5, RAM_BASE + BigInt(this.#next++ * PAGE_BYTES))
    this.#engine.writePc(cpu, RAM_BASE)
    return 1
  }

  retired(cpu: number): void {
    this.#engine.writeRegister(cpu, 5, 0n)
    this.#left -= 1
    if (this.#left === 0) this.#done()
  }

  left(): boolean {
    throw new Error("a load of memory does not leave the engine")
  }
}

/** Compiles what it checks when it first meets it: once a process, as services do. */
const CODEC = new MessageCodec()

const IDLE: HartDriver = { budget: () => null, left: () => true }

/** As services of the machine have it. */
function busOver(connection: NatsConnection, links: boolean): { readonly bus: Bus; readonly close: () => void } {
  const options = { connection, events: new MemorySink(), codec: CODEC, readsFrames: () => true }
  if (!links) return { bus: new NatsBus(options), close: () => undefined }
  const bus = linkedNatsBus(options)
  return {
    bus,
    close: () => {
      bus.close()
    },
  }
}

/** Parts that a process hosts for a round, until they are ended. */
export interface Hosted {
  end(): void
}

/** An actor of its own, on a bus of its own. */
async function hosted(connection: NatsConnection, links: boolean, actor: Parameters<ActorHost["add"]>[0]): Promise<Hosted> {
  const { bus, close } = busOver(connection, links)
  const host = hostOver(bus)
  await host.add(actor)
  return {
    end: () => {
      host.stop("the round is over")
      close()
    },
  }
}

/** Each round has a space of its own, in which nobody has touched anything. */
function node(
  index: number,
  {
    space,
    driver,
    engine,
    walks,
  }: { readonly space: string; readonly driver: HartDriver; readonly engine: Engine; readonly walks?: boolean },
): Machine {
  return new BareNodeMachine({
    space,
    node: index,
    nodes: NODES,
    engine,
    driver,
    seed: 1,
    homeOf: () => MEMORY_CONTROLLER,
    nodeActor,
    retryCycles: RETRY_CYCLES,
    pinCycles: RETRY_CYCLES,
    pace: "at-once",
    text: RAW_BYTES,
    ...(walks === true && { walkPages: { ahead: WALK_PAGES, pages: engine.options.memoryBytes / PAGE_BYTES, when: "if-free" as const } }),
  }) as Machine
}

function image(engine: Engine): void {
  const code = new Uint8Array(4)
  new DataView(code.buffer).setUint32(0, encode("ld", { rd: 6, rs1: 5, immediate: 0 }), true)
  engine.writeMemory(RAM_BASE, code)
}

/** What the far processes are told: a space that nobody has touched, of so many pages; or that its home begins another life. */
export interface Round {
  readonly round: number
  readonly pages: number
  readonly incarnation: number
  /** Those who speak much have sockets of their own beside the bus. */
  readonly links?: boolean
  /** Of the reader: how many harts read, and whether pages of a walk are read ahead. */
  readonly harts?: number
  readonly walks?: boolean
}

/** What a far process is told to do; it answers when it has: a round with its number, `read` with what it took. */
export type Order = Round | "read" | "end"

/** Of the reader: what it got is there when the round is ready, and is read when it is told to. */
export interface Hosting extends Hosted {
  read(): Promise<number>
}

const NOT_READING = (): Promise<number> => Promise.reject(new Error("only the reader reads"))

/** What a far process hosts for one round. */
export async function hostPart(connection: NatsConnection, part: Part, round: Round): Promise<Hosting> {
  const { pages, incarnation, links = false } = round
  if (part === "reader") return reader(connection, round)
  const spec = resolveMachineSpec({
    topology: { nodes: NODES, cpus: NODES, framesPerNode: pages },
    clock: { tickCycles: TICK_CYCLES },
    jobs: [],
  })
  if (part === "controller") {
    const machine = new MemoryControllerMachine({ spec, incarnation, place: ({ page }) => (page === 0 ? 0 : 1) })
    const home = await hosted(connection, links, { actor: MEMORY_CONTROLLER, epoch: incarnation, machine: machine as Machine })
    while (machine.directory().unknown().length > 0) await new Promise((resolve) => setImmediate(resolve))
    return { ...home, read: NOT_READING }
  }
  const engine = new WasmEngine({ memoryBytes: pages * PAGE_BYTES, cpus: 1 })
  const owner = node(1, { space: `round-${round.round}`, driver: IDLE, engine })
  return { ...(await hosted(connection, links, { actor: nodeActor(1), epoch: 1, machine: owner })), read: NOT_READING }
}

/** Reads all pages, `harts` at a time, when it is told to. The node with its copies stays until it is ended. */
function reader(connection: NatsConnection, { round, harts = 1, pages, walks = false, links = false }: Round): Hosting {
  const engine = new WasmEngine({ memoryBytes: pages * PAGE_BYTES, cpus: harts })
  image(engine)
  let finish: () => void = () => undefined
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const done = (): void => {
    finish()
  }
  const machine = node(0, { space: `round-${round}`, driver: new PageReader(engine, { harts, pages, done }), engine, walks })
  let hosting: Hosted | null = null
  return {
    read: async () => {
      const started = performance.now()
      hosting = await hosted(connection, links, { actor: nodeActor(0), epoch: 1, machine })
      await finished
      return (performance.now() - started) / 1000
    },
    end: () => {
      hosting?.end()
    },
  }
}

/** Million loads a second of pages that are here: with rights given by the host, or where nobody ever set any. */
export function residentLoads(rights: "given" | "never set"): number {
  const engine = new WasmEngine({ memoryBytes: 64 * PAGE_BYTES, cpus: 1 })
  const loop = [
    encode("ld", { rd: 6, rs1: 5, immediate: 0 }),
    encode("ld", { rd: 7, rs1: 5, immediate: 8 }),
    encode("jal", { rd: 0, immediate: -8 }),
  ]
  const code = new Uint8Array(loop.length * 4)
  loop.forEach((raw, index) => {
    new DataView(code.buffer).setUint32(index * 4, raw, true)
  })
  engine.writeMemory(RAM_BASE, code)
  if (rights === "given")
    for (let page = 0; page < 64; page++) {
      const address = RAM_BASE + BigInt(page * PAGE_BYTES)
      engine.setFrameRights(address, "none")
      engine.setFrameRights(address, page === 0 ? "read" : "write")
    }
  engine.writePc(0, RAM_BASE)
  engine.writeRegister(0, 5, RAM_BASE + BigInt(PAGE_BYTES))
  const started = process.cpuUsage().user
  const budget = 30_000_000
  engine.run(0, budget)
  return budget / (process.cpuUsage().user - started)
}
