/** Which CPU lies on which node, and which queue of a policy serves which CPUs. */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { assert } from "@backplane/foundation-base/assert"
import type { MachineSpec, PolicyName } from "./machine-spec.ts"
import { POLICY_LAYOUTS, type QueueLayout } from "./policy-layouts.ts"

type Topology = MachineSpec["topology"]

/** CPUs [from, to) of a node: contiguous blocks, sizes differing by at most one. */
export function cpusOfNode({ nodes, cpus }: Topology, node: number): { readonly from: number; readonly to: number } {
  assert(node >= 0 && node < nodes, "the node exists")
  return { from: Math.floor((node * cpus) / nodes), to: Math.floor(((node + 1) * cpus) / nodes) }
}

export function nodeOfCpu(topology: Topology, cpu: number): number {
  assert(cpu >= 0 && cpu < topology.cpus, "the CPU exists")
  for (let node = 0; node < topology.nodes; node++) if (cpu < cpusOfNode(topology, node).to) return node
  throw new Error("unreachable: every CPU has a node")
}

/** Number of the core of a CPU: CPUs of one core are contiguous and lie on one node. */
export function coreOfCpu({ threadsPerCore = 1 }: Topology, cpu: number): number {
  return Math.floor(cpu / threadsPerCore)
}

/** Name of a run queue: `all`, or `cpu-<n>`; of a seat with a name `<seat>-all`, `<seat>-cpu-<n>`. Also the index of the scheduler actor that holds it. */
export type QueueName = string

/**
 * A group of schedulers that share out some CPUs by one policy. The machine's own has no name; a second one beside it (`SECOND_SEAT`) has
 * the CPUs that are named, and one that only shows what it would do (`SHADOW_SEAT`) has none.
 */
export interface Seat {
  /** "": the machine's own. */
  readonly seat: string
  /** Of a service: its name. */
  readonly policy: string
  readonly layout: QueueLayout
  /** Its CPUs, ascending; null: all. */
  readonly cpus: readonly number[] | null
}

export const SHADOW_SEAT = "shadow"
export const SECOND_SEAT = "set1"

const QUEUE = /^(?:([a-z][a-z0-9]*)-)?(all|cpu-([0-9]+))$/

/** The seat whose queue this is. */
export function seatOfQueue(queue: QueueName): string {
  return QUEUE.exec(queue)?.[1] ?? ""
}

export function layoutOfQueue(queue: QueueName): QueueLayout {
  return QUEUE.exec(queue)?.[2] === "all" ? "all" : "cpu"
}

/** The queue of a seat that feeds the CPU. */
export function seatQueue({ seat, layout }: Pick<Seat, "seat" | "layout">, cpu: number): QueueName {
  const queue = layout === "all" ? "all" : `cpu-${cpu}`
  return seat === "" ? queue : `${seat}-${queue}`
}

export function cpusOfSeat({ cpus }: Seat, total: number): readonly number[] {
  return cpus ?? Array.from({ length: total }, (_, cpu) => cpu)
}

export function queuesOfSeat(seat: Seat, total: number): readonly QueueName[] {
  return [...new Set(cpusOfSeat(seat, total).map((cpu) => seatQueue(seat, cpu)))]
}

/** The seat that has all CPUs, under a policy of ours. */
export function ownSeat(policy: PolicyName): Seat {
  return { seat: "", policy, layout: POLICY_LAYOUTS[policy], cpus: null }
}

export function queuesOf(policy: PolicyName, cpus: number): readonly QueueName[] {
  return POLICY_LAYOUTS[policy] === "all" ? ["all"] : Array.from({ length: cpus }, (_, cpu) => `cpu-${cpu}`)
}

/** The queue that feeds `cpu` under `policy`. */
export function queueOfCpu(policy: PolicyName, cpu: number): QueueName {
  return POLICY_LAYOUTS[policy] === "all" ? "all" : `cpu-${cpu}`
}

/** The CPUs that a queue feeds, where its seat has all CPUs. */
export function cpusOfQueue(queue: QueueName, cpus: number): readonly number[] {
  const cpu = QUEUE.exec(queue)?.[3]
  return cpu === undefined ? Array.from({ length: cpus }, (_, index) => index) : [Number(cpu)]
}

/** The door of a node to the key-value store. */
export function doorActor(node: number): ActorId {
  return actorId(`node.door-${node}`)
}

export function nodeActor(node: number): ActorId {
  return actorId(`node.${node}`)
}

export function schedulerActor(queue: QueueName): ActorId {
  return actorId(`scheduler.${queue}`)
}

export const HYPERVISOR: ActorId = actorId("hypervisor.0")
export const MEMORY_CONTROLLER: ActorId = actorId("memory.0")

/** How many memory controllers the machine has; the first also leases frames to tasks. */
export function memoryControllersOf({ memory }: Pick<MachineSpec, "memory">): number {
  return memory?.controllers ?? 1
}

export function memoryController(index: number): ActorId {
  return actorId(`memory.${index}`)
}

/** Keeps pages that have no frame in a node, for the memory controller of that number. */
export function pageStoreActor(index = 0): ActorId {
  return actorId(`memory.store-${index}`)
}

/** Number of the memory controller that is home to a page: page by page around. */
export function controllerOfPage(spec: Pick<MachineSpec, "memory">, page: number): number {
  return page % memoryControllersOf(spec)
}

/** What one of several memory controllers has of a number: the first ones have what is left over. */
export function partOf(whole: number, { index, of }: { readonly index: number; readonly of: number }): number {
  return Math.floor(whole / of) + (index < whole % of ? 1 : 0)
}

/** Seats that the schedulers of this machine may have to hold besides its own: a live one's any, else those of its actions. */
function namedSeats({ clock, schedule, actions }: MachineSpec): readonly string[] {
  if (schedule.compat !== "none") return []
  const isLive = clock.mode === "free"
  const seats = [isLive || actions.some(({ shadow }) => shadow !== undefined) ? SHADOW_SEAT : null]
  return [...seats, isLive || actions.some(({ cpus }) => cpus !== undefined) ? SECOND_SEAT : null].filter((seat) => seat !== null)
}

/**
 * Every actor that a machine's hosts run, in the order in which they are started. A machine whose policy may change has the
 * schedulers of both layouts, for each seat; those without a queue under the policy of the day say nothing.
 */
export function hostedActors(spec: MachineSpec): readonly ActorId[] {
  const { cpus } = spec.topology
  const maySwap = spec.schedule.compat === "none" && (spec.actions.some(({ swap }) => swap !== undefined) || spec.clock.mode === "free")
  const policies: readonly PolicyName[] = maySwap ? ["sqms", "mqms"] : [spec.schedule.policy]
  const controllers = Array.from({ length: memoryControllersOf(spec) }, (_, index) => index)
  const seats = namedSeats(spec).flatMap((seat) => (["sqms", "mqms"] as const).map((policy) => ({ ...ownSeat(policy), seat })))
  return [
    ...controllers.map(memoryController),
    ...((spec.memory?.swapPages ?? 0) > 0 ? controllers.map(pageStoreActor) : []),
    ...Array.from({ length: spec.topology.nodes }, (_, node) => nodeActor(node)),
    ...[...policies.map(ownSeat), ...seats].flatMap((seat) => queuesOfSeat(seat, cpus)).map(schedulerActor),
    HYPERVISOR,
  ]
}
