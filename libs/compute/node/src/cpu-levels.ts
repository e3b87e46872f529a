/**
 * CPUs that go off line and come back while the machine runs, and tasks that change their affinity or weight.
 *
 * What runs on a CPU that goes is taken off and waits. A task that lies in a queue without a CPU for it moves to one that has (`rehome`); one
 * whose CPUs are all off line waits where it is: nothing runs outside its affinity, and nobody is blamed for it.
 */
import { event, send } from "@backplane/foundation-actor/effects"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { CpuLevels, TaskTune } from "@backplane/compute-contract/machine-messages"
import { HYPERVISOR } from "@backplane/scenario-machine/topology"
import { WEIGHT_DEFAULT } from "@backplane/schedule-contract/task-view"
import type { Dispatcher } from "./dispatcher.ts"
import type { EventStreams } from "./event-streams.ts"
import type { NodeContext, Out } from "./node-context.ts"
import { reassignQueues } from "./reassign.ts"
import { mayRunOn, viewOf, type Task, type TaskTable } from "./task-table.ts"

export class CpuLevelKeeper {
  readonly #context: NodeContext
  readonly #tasks: TaskTable
  readonly #streams: EventStreams
  readonly #dispatcher: Dispatcher

  constructor(parts: {
    readonly context: NodeContext
    readonly tasks: TaskTable
    readonly streams: EventStreams
    readonly dispatcher: Dispatcher
  }) {
    this.#context = parts.context
    this.#tasks = parts.tasks
    this.#streams = parts.streams
    this.#dispatcher = parts.dispatcher
  }

  onLevels(now: VirtualTime, { topology, offline }: CpuLevels, out: Out): void {
    const { node, incarnation } = this.#context
    if (topology > this.#context.topology) this.#adopt(now, topology, new Set(offline), out)
    out.push(send(HYPERVISOR, { kind: "CpuLevelsSeen", node, incarnation, topology: this.#context.topology }))
  }

  #adopt(now: VirtualTime, topology: number, offline: ReadonlySet<number>, out: Out): void {
    const stranded = this.#tasks.all().filter((task) => this.isStranded(task))
    this.#context.topology = topology
    this.#context.offline = offline
    for (const cpu of this.#dispatcher.cpus) {
      if (offline.has(cpu.index)) this.#dispatcher.takeOffline(now, cpu, out)
      else this.#dispatcher.bringOnline(now, cpu, out)
    }
    // A task that no CPU could have run begins to wait now, as far as its scheduler is concerned.
    for (const task of stranded) if (!this.isStranded(task)) task.queuedTick = this.#context.ticks.tickAt(now)
    for (const task of this.#tasks.all()) this.rehome(now, task)
  }

  /** All CPUs that may run it are off line. */
  isStranded({ spec }: Task): boolean {
    const { affinity } = spec
    return affinity.length > 0 && affinity.every((cpu) => !this.#context.isOnline(cpu))
  }

  /** Gives a task that its queue has no CPU for to a queue that has one. */
  rehome(now: VirtualTime, task: Task): void {
    if (this.#context.spec.schedule.compat === "ostep" || task.state === "running") return
    if (this.#context.mayLieIn(task.spec.affinity, task.queue) || this.isStranded(task)) return
    this.move(now, task)
  }

  /** From its queue to the one that fits best. */
  move(now: VirtualTime, task: Task): void {
    const before = task.queue
    const others = this.#tasks.all().filter((other) => other !== task)
    reassignQueues([task], this.#context, others)
    if (task.queue === before || task.state !== "waiting") return
    this.#streams.add(before, { type: "TASK_GONE", task: task.spec.task, taskSeq: task.taskSeq, reason: "moved" })
    const since = task.sinceTick
    this.#tasks.setState(task, "waiting", this.#context.ticks.tickAt(now))
    task.sinceTick = since
    this.#streams.add(task.queue, { type: "TASK_NEW", task: this.#viewOf(task), reason: "moved" })
  }

  #viewOf(task: Task): ReturnType<typeof viewOf> {
    return viewOf(task, this.#context.node, this.#dispatcher.isWarmOnLast(task))
  }

  onTune(now: VirtualTime, { task: name, attempt, ...to }: TaskTune, out: Out): void {
    const task = this.#tasks.get(name)
    if (task?.spec.attempt !== attempt) return // it lies elsewhere, or has ended
    if ((task.spec.tuned ?? 0) < to.tuned) this.#tune(now, task, to, out)
    out.push(send(HYPERVISOR, { kind: "TaskTuned", task: name, attempt, tuned: task.spec.tuned ?? 0, node: this.#context.node }))
  }

  #tune(now: VirtualTime, task: Task, to: Omit<TaskTune, "kind" | "task" | "attempt">, out: Out): void {
    const { spec } = task
    const isOtherHint = to.shares !== undefined && (spec.shares ?? []).join() !== to.shares.join()
    const isOtherWeight = (spec.weight ?? WEIGHT_DEFAULT) !== to.weight
    const isOtherAffinity = spec.affinity.join() !== to.affinity.join()
    const wasStranded = this.isStranded(task)
    task.spec = { ...spec, tuned: to.tuned, affinity: [...to.affinity], ...(isOtherWeight && { weight: to.weight }) }
    if (isOtherHint) task.spec = { ...task.spec, shares: [...(to.shares ?? [])] }
    out.push(event("task-tuned", { "backplane.task": spec.task, "backplane.node": this.#context.node }, "info"))
    if (task.state === "leasing") return void (isOtherAffinity && reassignQueues([task], this.#context))
    if (wasStranded) task.queuedTick = this.#context.ticks.tickAt(now)
    const cpu = task.cpu === null ? undefined : this.#dispatcher.cpu(task.cpu)
    const { state, queue } = task
    if (isOtherWeight) this.#streams.add(queue, { type: "TASK_WEIGHT", task: this.#viewOf(task), state })
    if (isOtherHint) this.#streams.add(queue, { type: "TASK_HINT", task: this.#viewOf(task), state })
    if (isOtherAffinity) this.#streams.add(queue, { type: "TASK_AFFINITY", task: this.#viewOf(task), state })
    if (cpu?.state.kind === "running" && !mayRunOn(to.affinity, cpu.index)) this.#dispatcher.kick(now, cpu, out)
    this.rehome(now, task)
  }
}
