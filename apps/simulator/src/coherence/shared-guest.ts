/** A guest over several nodes in a simulated world, and a conversation with it at its console. */
import { actorId } from "@backplane/foundation-actor/actor-id"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Body, Machine } from "@backplane/foundation-actor/machine"
import { World } from "@backplane/foundation-simulation/world"
import type { FaultPlan } from "@backplane/foundation-simulation/fault-plan"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readGuestImage } from "@backplane/compute-image/guest-image"
import { MemoryControllerMachine } from "@backplane/memory-controller/memory-controller"
import type { AgentCounts } from "@backplane/memory-agent/agent-options"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { MEMORY_CONTROLLER } from "@backplane/scenario-machine/topology"
import type { BootImage } from "@backplane/trap-board/board-types"
import { Conversation, type ConversationStep } from "@backplane/trap-board/conversation"
import { MemoryDisk } from "@backplane/trap-devices/virtio-block/disk"
import type { GiveWay, SharedEnd } from "./board-messages.ts"
import { BoardNodeMachine } from "./board-node.ts"
import { LinkedNode } from "./linked-node.ts"

export interface SharedGuestOptions {
  readonly seed: number
  readonly kernel: Uint8Array
  readonly disk?: Uint8Array
  readonly harts: number
  readonly nodes: number
  readonly memoryBytes: number
  readonly steps: readonly ConversationStep[]
  readonly cyclesMax: number
  /** The memory controller is killed after each of so many cycles. */
  readonly killEveryCycles?: number
  /** Messages are lost, doubled and reordered; absent: only late. */
  readonly faults?: "messages"
  /** This node dies after so many cycles, and is told of. */
  readonly killNode?: { readonly node: number; readonly atCycles: number }
  /** Goes on after the last step until the guest ends. */
  readonly until?: "steps-done" | "end"
  /** What is absent is as `GIVE_WAY` says. */
  readonly giveWay?: Partial<GiveWay>
  readonly onOutput?: (text: string) => void
  /** Asked between two looks at the console: whoever waits has waited long enough. */
  readonly isLate?: () => boolean
}

export interface SharedGuestResult {
  readonly done: boolean
  readonly waitsFor: string | null
  readonly end: SharedEnd | null
  readonly output: string
  readonly cycles: number
  /** Retired by the harts of each node. */
  readonly instructions: readonly number[]
  readonly counts: readonly AgentCounts[]
  readonly messages: number
  readonly restarts: number
}

const OPERATOR = actorId("operator.0")
const LATENCY_CYCLES = 200
const RETRY_CYCLES = 20_000
/** A pin with nothing to hold for; a page that is held may stay twice as long as the hold. */
const PIN_CYCLES = 20_000
export const GIVE_WAY: GiveWay = { holdCycles: 50_000, restCycles: 400_000, farOperations: false }
/** Between two looks at the console. */
const LOOK_CYCLES = 20_000
const DOWN_CYCLES = 2_000
const NEVER = virtualTime(Number.MAX_SAFE_INTEGER)
const DELAYS: FaultPlan = { until: NEVER, delay: { min: 50, max: 400 } }
/** Messages of every kind are lost, doubled and out of order. */
const LOSSES: FaultPlan = { until: NEVER, delay: { min: 50, max: 400 }, loss: 0.02, duplication: 0.03, reordering: 0.2 }
const LINK_RETRY_CYCLES = 5_000
/** A node that has not acknowledged for so long is dead. */
const LINK_DEADLINE_CYCLES = 2_000_000

function planDeath(world: World, { killNode }: SharedGuestOptions): void {
  if (killNode === undefined) return
  const { node, atCycles } = killNode
  world.at(virtualTime(atCycles), () => {
    world.crash(actorId(`node.${node}`))
    world.inject({ from: OPERATOR, to: MEMORY_CONTROLLER, body: { kind: "NodeGone", node, incarnation: 1 } as Body })
  })
}

/** Who asks again while the page is held asks in vain. */
function retryCyclesOf({ giveWay }: SharedGuestOptions): number {
  return Math.max(RETRY_CYCLES, 2 * (giveWay?.holdCycles ?? GIVE_WAY.holdCycles))
}

function boardsOf(options: SharedGuestOptions, image: BootImage): readonly BoardNodeMachine[] {
  const { nodes, harts, memoryBytes, disk } = options
  const giveWay = { ...GIVE_WAY, ...options.giveWay }
  return Array.from(
    { length: nodes },
    (_, node) =>
      new BoardNodeMachine({
        node,
        nodes,
        image,
        engine: new WasmEngine({ memoryBytes, cpus: harts }),
        nodeOfHart: (hart) => hart % nodes,
        disks: disk === undefined ? [] : [new MemoryDisk(disk)],
        retryCycles: retryCyclesOf(options),
        ...giveWay,
        pinCycles: Math.max(PIN_CYCLES, 2 * giveWay.holdCycles),
      }),
  )
}

/** Hart h lies on node h modulo the number of nodes. */
export function runSharedGuest(options: SharedGuestOptions): SharedGuestResult {
  const { seed, kernel, harts, nodes, memoryBytes, steps, cyclesMax } = options
  const image = readGuestImage(kernel, memoryBytes)
  if ("refusal" in image) throw new Error(image.refusal)
  const world = new World({
    seed,
    machine: "shared-guest",
    latency: LATENCY_CYCLES,
    stepsMax: 1_000_000_000,
    fingerprint: "off",
    faults: options.faults === "messages" ? LOSSES : DELAYS,
  })
  const spec = resolveMachineSpec({ topology: { nodes, cpus: Math.max(nodes, harts), framesPerNode: memoryBytes / 4096 }, jobs: [] })
  // What it holds back it holds back for less than a node waits.
  const controller = { spec, retryCycles: retryCyclesOf(options) }
  world.add(MEMORY_CONTROLLER, (incarnation) => new MemoryControllerMachine({ ...controller, incarnation }) as Machine)
  const machines = boardsOf(options, image)
  machines.forEach((machine, node) => {
    const peers = machines.flatMap((_, other) => (other === node ? [] : [actorId(`node.${other}`)]))
    const links = { retryCycles: LINK_RETRY_CYCLES, deadlineCycles: LINK_DEADLINE_CYCLES, peers }
    world.add(actorId(`node.${node}`), () => new LinkedNode(machine, links) as unknown as Machine)
  })
  const [first] = machines
  if (first === undefined) throw new Error("a guest needs a node")
  let output = ""
  const decoder = new TextDecoder()
  const conversation = new Conversation(steps, (text) => {
    first.console.feed(new TextEncoder().encode(text))
    world.inject({ from: OPERATOR, to: actorId("node.0"), body: { kind: "ConsoleTyped" } })
  })
  let restarts = 0
  planDeath(world, options)
  const over = (): boolean => first.end !== null || (conversation.done() && options.until !== "end")
  let nextKill = options.killEveryCycles ?? Infinity
  while (!over() && world.now < cyclesMax && options.isLate?.() !== true) {
    world.run({ until: virtualTime(world.now + LOOK_CYCLES), stop: () => first.end !== null })
    const text = decoder.decode(first.console.takeOutput(), { stream: true })
    output += text
    options.onOutput?.(text)
    conversation.hear(text)
    if (world.now < nextKill) continue
    nextKill = world.now + (options.killEveryCycles ?? Infinity)
    restarts += 1
    world.crash(MEMORY_CONTROLLER)
    world.run({ until: virtualTime(world.now + DOWN_CYCLES) })
    world.restart(MEMORY_CONTROLLER)
  }
  return {
    done: conversation.done(),
    waitsFor: conversation.waitsFor(),
    end: first.end,
    output,
    cycles: world.now,
    instructions: machines.map(({ instructions }) => instructions),
    counts: machines.map((machine) => machine.counts()),
    messages: world.counts.sent,
    restarts,
  }
}
