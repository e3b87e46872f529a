/** Which queue each waiting task belongs to after a change of policy, or of the CPUs that are there. */
import type { QueueName } from "@backplane/scenario-machine/topology"
import type { NodeContext } from "./node-context.ts"
import { mayRunOn, type Task } from "./task-table.ts"

/**
 * One queue for all: there. Otherwise that of the CPU it ran on last if it may still run there, else the shortest queue (by its CPUs)
 * among the CPUs where it may run, this node's own first (its frames are near), lowest number first. CPUs off line do not count, but for
 * a task that may run nowhere else: it waits for one of them to come back. `others` lie in their queues already.
 */
export function reassignQueues(tasks: readonly Task[], context: NodeContext, others: readonly Task[] = []): void {
  const { spec, cpus: own } = context
  const queues = context.queues()
  const [only] = queues
  if (queues.length === 1 && only !== undefined) return void tasks.forEach((task) => (task.queue = only))
  const all = Array.from({ length: spec.topology.cpus }, (_, cpu) => cpu)
  const lengths = new Map<QueueName, number>()
  for (const { queue, state } of others) if (state !== "blocked") lengths.set(queue, (lengths.get(queue) ?? 0) + 1)
  const sizes = new Map(queues.map((queue) => [queue, context.cpusOf(queue).filter((cpu) => context.isOnline(cpu)).length]))
  const loadOf = (cpu: number): number => {
    const queue = context.queueOf(cpu)
    return (lengths.get(queue) ?? 0) / Math.max(1, sizes.get(queue) ?? 1)
  }
  for (const task of tasks) {
    const allowed = all.filter((cpu) => mayRunOn(task.spec.affinity, cpu))
    const there = allowed.filter((cpu) => context.isOnline(cpu))
    const fit = there.length > 0 ? there : allowed
    const near = fit.filter((cpu) => own.includes(cpu))
    const shortest = (near.length > 0 ? near : fit).reduce((best, cpu) => (loadOf(cpu) < loadOf(best) ? cpu : best))
    const cpu = task.cpu ?? (task.lastCpu !== null && fit.includes(task.lastCpu) ? task.lastCpu : shortest)
    const queue = context.queueOf(cpu)
    lengths.set(queue, (lengths.get(queue) ?? 0) + 1)
    task.queue = queue
  }
}
