/** The parts of a guest over several nodes as actors over NATS, each in whatever process: the same machines as in the simulated world. */
import { fork, type ChildProcess } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Body, Machine } from "@backplane/foundation-actor/machine"
import type { Json } from "@backplane/foundation-base/json"
import { ActorHost } from "@backplane/foundation-runtime/actor-host"
import type { BodyCodec, Decoded } from "@backplane/foundation-runtime/body-codec"
import { NatsBus } from "@backplane/foundation-runtime/nats-bus"
import { PacedClock, wallMilliseconds } from "@backplane/foundation-runtime/paced-clock"
import { RandomSpanIds } from "@backplane/foundation-runtime/random-span-ids"
import { MemoryStore } from "@backplane/foundation-runtime/store"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readGuestImage } from "@backplane/compute-image/guest-image"
import { MemoryControllerMachine } from "@backplane/memory-controller/memory-controller"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { MEMORY_CONTROLLER, nodeActor } from "@backplane/scenario-machine/topology"
import { MemoryDisk } from "@backplane/trap-devices/virtio-block/disk"
import type { NatsConnection } from "@nats-io/nats-core"
import type { GiveWay } from "./board-messages.ts"
import { BoardNodeMachine } from "./board-node.ts"
import { LinkedNode } from "./linked-node.ts"

export const LIVE_GUEST = "live-guest"
const CYCLES_PER_SECOND = 1_000_000_000
/** Cycles are nanoseconds here. */
const RETRY_CYCLES = 1_000_000_000
const PIN_CYCLES = 100_000_000
/** A page takes about a millisecond from node to node. */
const GIVE_WAY: GiveWay = { holdCycles: 2_000_000, restCycles: 5_000_000, farOperations: false }
const LINK_RETRY_CYCLES = 500_000_000
const LINK_DEADLINE_CYCLES = 20_000_000_000

/** The machine's clock ticks a hundred times a second. */
const TICK_CYCLES = 10_000_000

interface GuestShape {
  readonly harts: number
  readonly nodes: number
  readonly memoryBytes: number
  /** What is absent is as `GIVE_WAY` says. */
  readonly giveWay?: Partial<GiveWay>
}

export interface LiveGuest extends GuestShape {
  readonly kernel: Uint8Array
  /** Image of a virtio disk at node 0; what is written goes nowhere. */
  readonly disk?: Uint8Array
}

/** A guest by the files that it is made of: what a process with a part of it is told. */
export interface GuestFiles extends GuestShape {
  readonly kernel: string
  readonly disk?: string
}

export interface LiveServer {
  readonly url: string
  readonly user: string
  readonly password: string
}

/** What a process (live-guest-part.ts) hosts. */
export type LivePart = { readonly server: LiveServer; readonly guest: GuestFiles } & (
  { readonly role: "controller"; readonly epoch: number } | { readonly role: "node"; readonly node: number }
)

export function readGuest({ kernel, disk, ...shape }: GuestFiles): LiveGuest {
  return { ...shape, kernel: readFileSync(kernel), ...(disk !== undefined && { disk: readFileSync(disk) }) }
}

/** Starts a process with a part; settles when it takes part. */
export function startPart(part: LivePart): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, "live-guest-part.ts"), [JSON.stringify(part)])
  return new Promise((resolve, reject) => {
    child.once("message", () => {
      resolve(child)
    })
    child.once("exit", (code) => {
      reject(new Error(`the ${part.role} of the guest ended with ${code} before it was ready`))
    })
  })
}

/** A bigint travels as `{"$": "0x…"}`: what is said between the nodes of one guest is in no contract yet. */
const codec: BodyCodec = {
  encode: (body: Body): Json =>
    JSON.parse(
      JSON.stringify(body, (_key, value: unknown) => (typeof value === "bigint" ? { $: `0x${value.toString(16)}` } : value)),
    ) as Json,
  decode: (value: Json): Decoded => ({
    body: JSON.parse(JSON.stringify(value), (_key, each: unknown) =>
      typeof each === "object" && each !== null && "$" in each && typeof each.$ === "string" ? BigInt(each.$) : each,
    ) as Body,
  }),
}

export function liveBus(connection: NatsConnection): NatsBus {
  return new NatsBus({ connection, events: SILENT, codec, readsFrames: () => true })
}

export function liveHost(connection: NatsConnection): ActorHost {
  return new ActorHost({
    machineName: LIVE_GUEST,
    bus: liveBus(connection),
    clock: new PacedClock({ cyclesPerSecond: CYCLES_PER_SECOND, originMilliseconds: wallMilliseconds() }),
    store: new MemoryStore(),
    events: SILENT,
    spans: SILENT,
    spanIds: new RandomSpanIds(),
    onFatal: (error) => {
      throw error
    },
  })
}

/** Nobody listens. */
const SILENT = { event: () => undefined, span: () => undefined }

export function liveController(
  { nodes, harts, memoryBytes }: GuestShape,
  epoch: number,
): { readonly actor: ActorId; readonly epoch: number; readonly machine: Machine } {
  const spec = resolveMachineSpec({
    topology: { nodes, cpus: Math.max(nodes, harts), framesPerNode: memoryBytes / 4096 },
    clock: { tickCycles: TICK_CYCLES },
    jobs: [],
  })
  return { actor: MEMORY_CONTROLLER, epoch, machine: new MemoryControllerMachine({ spec, incarnation: epoch }) as Machine }
}

export function liveNode(
  { kernel, disk, harts, nodes, memoryBytes, giveWay }: LiveGuest,
  node: number,
): { readonly actor: ActorId; readonly epoch: number; readonly machine: Machine; readonly board: BoardNodeMachine } {
  const image = readGuestImage(kernel, memoryBytes)
  if ("refusal" in image) throw new Error(image.refusal)
  const machine = new BoardNodeMachine({
    node,
    nodes,
    image,
    engine: new WasmEngine({ memoryBytes, cpus: harts }),
    nodeOfHart: (hart) => hart % nodes,
    disks: disk === undefined ? [] : [new MemoryDisk(disk)],
    retryCycles: RETRY_CYCLES,
    pinCycles: PIN_CYCLES,
    ...GIVE_WAY,
    ...giveWay,
  })
  const peers = Array.from({ length: nodes }, (_, other) => nodeActor(other)).filter((other) => other !== nodeActor(node))
  const links = { retryCycles: LINK_RETRY_CYCLES, deadlineCycles: LINK_DEADLINE_CYCLES, peers }
  return { actor: nodeActor(node), epoch: 1, machine: new LinkedNode(machine, links) as unknown as Machine, board: machine }
}
