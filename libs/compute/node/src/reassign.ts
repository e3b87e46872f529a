/** Which queue each waiting task belongs to after a change of policy. */
import { POLICY_LAYOUTS } from "@backplane/scenario-machine/policy-layouts"
import { queueOfCpu } from "@backplane/scenario-machine/topology"
import type { NodeContext } from "./node-context.ts"
import { mayRunOn, type Task } from "./task-table.ts"

/**
 * One queue for all: there. A queue a CPU: that of the CPU it ran on last if it may still run there, else the shortest queue among
 * the CPUs where it may run, this node's own first (its frames are near), lowest number first.
 */
export function reassignQueues(tasks: readonly Task[], context: NodeContext): void {
  const { policy, spec, cpus: own } = context
  const lengths = new Map<number, number>()
  for (const task of tasks) {
    if (POLICY_LAYOUTS[policy] === "all") {
      task.queue = "all"
      continue
    }
    const all = Array.from({ length: spec.topology.cpus }, (_, cpu) => cpu).filter((cpu) => mayRunOn(task.spec.affinity, cpu))
    const near = all.filter((cpu) => own.includes(cpu))
    const shortest = (near.length > 0 ? near : all).reduce((best, cpu) => ((lengths.get(cpu) ?? 0) < (lengths.get(best) ?? 0) ? cpu : best))
    const cpu = task.cpu ?? (task.lastCpu !== null && all.includes(task.lastCpu) ? task.lastCpu : shortest)
    lengths.set(cpu, (lengths.get(cpu) ?? 0) + 1)
    task.queue = queueOfCpu(policy, cpu)
  }
}
