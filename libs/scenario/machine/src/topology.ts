/** Which CPU lies on which node, and which queue of a policy serves which CPUs. */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { assert } from "@backplane/foundation-base/assert"
import type { MachineSpec, PolicyName } from "./machine-spec.ts"
import { POLICY_LAYOUTS } from "./policy-layouts.ts"

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

/** Name of a run queue: `all`, or `cpu-<n>`. It is also the index of the scheduler actor that holds it. */
export type QueueName = string

export function queuesOf(policy: PolicyName, cpus: number): readonly QueueName[] {
  return POLICY_LAYOUTS[policy] === "all" ? ["all"] : Array.from({ length: cpus }, (_, cpu) => `cpu-${cpu}`)
}

/** The queue that feeds `cpu` under `policy`. */
export function queueOfCpu(policy: PolicyName, cpu: number): QueueName {
  return POLICY_LAYOUTS[policy] === "all" ? "all" : `cpu-${cpu}`
}

/** The CPUs that a queue feeds. */
export function cpusOfQueue(queue: QueueName, cpus: number): readonly number[] {
  if (queue === "all") return Array.from({ length: cpus }, (_, cpu) => cpu)
  return [Number(queue.slice("cpu-".length))]
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

/**
 * Every actor that a machine's hosts run, in the order in which they are started. A machine whose policy may change has the
 * schedulers of both layouts; those without a queue under the policy of the day say nothing.
 */
export function hostedActors(spec: MachineSpec): readonly ActorId[] {
  const maySwap = spec.schedule.compat === "none" && (spec.actions.length > 0 || spec.clock.mode === "free")
  const policies: readonly PolicyName[] = maySwap ? ["sqms", "mqms"] : [spec.schedule.policy]
  return [
    MEMORY_CONTROLLER,
    ...Array.from({ length: spec.topology.nodes }, (_, node) => nodeActor(node)),
    ...policies.flatMap((policy) => queuesOf(policy, spec.topology.cpus)).map(schedulerActor),
    HYPERVISOR,
  ]
}
