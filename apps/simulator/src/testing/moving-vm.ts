/** A machine of two nodes with a VM that moves from one to the other in mid-work, for the tests of moves. */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { defined } from "@backplane/foundation-base/assert"
import { NodeMachine } from "@backplane/compute-node/node"
import type { World } from "@backplane/foundation-simulation/world"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { actorsWith } from "../machine-actors.ts"
import { machineWorld, outcomeOf } from "../simulate.ts"
import { MemoryImages } from "../memory-images.ts"
import { carried } from "./carried.ts"

export const STEPS_MAX = 300_000
export const MOVE_TICK = 12
export const SOURCE = actorId("node.0")
export const TARGET = actorId("node.1")
export const HYPERVISOR = actorId("hypervisor.0")
export const FRAMES = 4096

/** Instructions a tick, so that a guest is in the middle of its work when it moves; not named: 50. */
const PACE: Readonly<Record<string, number>> = { timer: 2000, traps: 20, kernel: 20_000 }

interface NodeView {
  readonly vms: {
    readonly vms: readonly { readonly vm: string; readonly state: string }[]
    readonly leaving: readonly object[]
    readonly arriving: readonly object[]
    readonly framesLeft: number
  } | null
}

export const viewOf = (world: World, node: ActorId): NodeView | undefined =>
  world.inspect(node, NodeMachine)?.inspect() as unknown as NodeView | undefined

/** Lives of the VM that could retire an instruction now, by node. */
function running(world: World): readonly string[] {
  return [SOURCE, TARGET].flatMap((node) => {
    return (viewOf(world, node)?.vms?.vms ?? []).filter(({ vm, state }) => vm === "guest" && state === "running").map(() => String(node))
  })
}

/** Runs to the end; at each message of a move there is at most one that runs. */
export function end(world: World, stopAt: (() => boolean) | null = null): object {
  let looked = 0
  world.onMessage(({ body }) => {
    if (!body.kind.startsWith("Vm") && looked++ % 16 !== 0) return
    const all = running(world)
    if (all.length > 1) throw new Error(`it runs on ${all.join(" and ")}`)
  })
  world.run({ stop: () => outcomeOf(world) !== null || stopAt?.() === true })
  return outcomeOf(world) ?? {}
}

/** What every node has of VMs, some time after all is over: nothing, and all of its frames. */
export function remains(world: World, spec: MachineSpec): readonly object[] {
  world.run({ until: (Number(world.now) + 300 * spec.clock.tickCycles) as never })
  return [SOURCE, TARGET].map((node) => {
    const { vms, leaving, arriving, framesLeft } = defined(viewOf(world, node)?.vms ?? undefined, "the node is there")
    return { vms, leaving, arriving, framesLeft }
  })
}
export const NOTHING = { vms: [], leaving: [], arriving: [], framesLeft: FRAMES }

export interface Moved {
  readonly running: World
  readonly events: readonly { readonly name: string; readonly fields: object }[]
  readonly outcome: object
}

export interface MovingVms {
  readonly kernel: (name: string) => object
  readonly machine: (guest: string, move: number | null, more?: object, others?: readonly object[]) => MachineSpec
  readonly world: (spec: MachineSpec, options?: object) => World
  /** How it ends where it stays. */
  readonly stayed: (guest: string, more?: object) => object
  readonly moved: (spec: MachineSpec, options?: object) => Moved
}

/** With kernels by name, which a test may read and this may not. */
export function movingVms(readKernel: (name: string) => Uint8Array): MovingVms {
  const images = new MemoryImages()
  const kernel = (name: string): object => images.add(readKernel(name))

  /** A VM of node 0 that moves to node 1 at a tick where it has done a part of its work; `move` null: it stays. */
  const machine = (guest: string, move: number | null, more: object = {}, others: readonly object[] = []): MachineSpec =>
    resolveMachineSpec({
      topology: { nodes: 2, cpus: 2, framesPerNode: FRAMES },
      schedule: { policy: "cfs" },
      maxTicks: 20_000,
      vms: [
        ...others,
        {
          name: "guest",
          kernel: kernel(guest),
          memoryBytes: 4 << 20,
          instructionsPerTick: PACE[guest] ?? 50,
          node: 0,
          restartable: true,
          ...more,
        },
      ],
      actions: move === null ? [] : [{ atTick: move, vm: { name: "guest", node: 1 } }],
    })

  const world = (spec: MachineSpec, options: object = {}): World =>
    machineWorld(spec, { fingerprint: "off", stepsMax: STEPS_MAX, carry: carried, ...options }, actorsWith(images))

  const ended = new Map<string, object>()
  /** How it ends where it stays. */
  const stayed = (guest: string, more: object = {}): object => {
    const key = JSON.stringify([guest, more])
    const known = ended.get(key)
    if (known !== undefined) return known
    const outcome = end(world(machine(guest, null, more))) as {
      readonly result: { readonly vms: { readonly guest: { readonly outcome: object } } }
    }
    ended.set(key, outcome.result.vms.guest.outcome)
    return outcome.result.vms.guest.outcome
  }

  const moved = (spec: MachineSpec, options: object = {}): Moved => {
    const running = world(spec, options)
    const events: { readonly name: string; readonly fields: object }[] = []
    running.onEvent((_at, _actor, { name, fields }) => void (name.startsWith("vm-mov") && events.push({ name, fields: fields ?? {} })))
    return { running, events, outcome: end(running) }
  }

  return { kernel, machine, world, stayed, moved }
}
