/**
 * Tasks that begin here: accepted once their frames are granted, or rejected with a reason, and answered alike however often asked.
 *
 * A submission to another life of the node begins nothing (I1 of the README): that one may have begun the task.
 */
import { event, noteSpan, send } from "@backplane/foundation-actor/effects"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { TaskSpec, TaskSubmit } from "@backplane/compute-contract/task-messages"
import { HYPERVISOR } from "@backplane/scenario-machine/topology"
import type { Dispatcher } from "./dispatcher.ts"
import type { EventStreams } from "./event-streams.ts"
import type { Leases } from "./leases.ts"
import type { NodeContext, Out } from "./node-context.ts"
import { reassignQueues } from "./reassign.ts"
import { newTask, viewOf, type Task, type TaskTable } from "./task-table.ts"

/** Tasks that may lie on one node at a time. */
const TASKS_MAX = 10_000
/** Refusals that are remembered. */
const REFUSED_MAX = 1024

export class Submissions {
  readonly #context: NodeContext
  readonly #tasks: TaskTable
  readonly #streams: EventStreams
  readonly #dispatcher: Dispatcher
  readonly #leases: Leases
  /** Why tasks could not start here, so that a repeated submission is answered again. */
  readonly #refused = new Map<string, { readonly attempt: number; readonly reason: string }>()

  constructor(parts: {
    readonly context: NodeContext
    readonly tasks: TaskTable
    readonly streams: EventStreams
    readonly dispatcher: Dispatcher
    readonly leases: Leases
  }) {
    this.#context = parts.context
    this.#tasks = parts.tasks
    this.#streams = parts.streams
    this.#dispatcher = parts.dispatcher
    this.#leases = parts.leases
  }

  onSubmit(now: VirtualTime, { spec, queue, incarnation }: TaskSubmit, out: Out): void {
    if (incarnation !== this.#context.incarnation) return // our report tells the hypervisor which life this is
    const { task, attempt } = spec
    const here = this.#tasks.get(task)
    if (here !== undefined && here.spec.attempt >= attempt) {
      if (here.spec.attempt === attempt && here.state !== "leasing") this.#accept(spec, out)
      return
    }
    const refused = this.#refused.get(task)
    if (refused?.attempt === attempt) return this.#reject(task, attempt, refused.reason, out)
    if (this.#tasks.isOver(spec)) return
    // It began here and lies on another node now: the answer to the submission was lost, the task was not.
    if (this.#tasks.hasBegun(spec)) return this.#accept(spec, out)
    if (here !== undefined) this.#dispatcher.drop(now, here, out)
    const refusal = this.#context.works.refusal(spec)
    if (refusal !== null) return this.#reject(task, attempt, refusal, out)
    if (this.#tasks.size >= TASKS_MAX)
      return this.#reject(task, attempt, `node ${this.#context.node} holds ${TASKS_MAX} tasks already`, out)
    const created = newTask(spec, queue, this.#context.node, this.#context.ticks.tickAt(now))
    // The submission may be older than the policy, or than the CPUs that there are.
    const isPlain = this.#context.topology === 0
    // Where several policies share the machine, the hypervisor does not say which is to have it.
    const isShared = this.#context.seats.length > 1
    const fits = !isShared && this.#context.queues().includes(queue) && (isPlain || this.#context.mayLieIn(spec.affinity, queue))
    if (!fits) reassignQueues([created], this.#context, isShared ? this.#tasks.all() : [])
    this.#tasks.begin(created)
    out.push(noteSpan("task.submit", { "backplane.task": task, "backplane.node": this.#context.node }))
    this.#leases.ask(now, created, out)
  }

  /** Its frames are granted. */
  onReady(now: VirtualTime, task: Task | undefined, out: Out): void {
    if (task === undefined) return
    this.#tasks.setState(task, "waiting", this.#context.ticks.tickAt(now))
    this.#accept(task.spec, out)
    this.#streams.add(task.queue, { type: "TASK_NEW", task: viewOf(task, this.#context.node, false), reason: "new" })
    out.push(event("task-new", { "backplane.task": task.spec.task, "backplane.node": this.#context.node }))
  }

  /** It gets no frames. */
  onRefused(task: Task | undefined, reason: string, out: Out): void {
    if (task === undefined) return
    const { task: name, attempt } = task.spec
    this.#refused.set(name, { attempt, reason })
    if (this.#refused.size > REFUSED_MAX) this.#refused.delete(this.#refused.keys().next().value as string)
    this.#reject(name, attempt, reason, out)
  }

  #accept(spec: TaskSpec, out: Out): void {
    out.push(send(HYPERVISOR, { kind: "TaskAccepted", task: spec.task, attempt: spec.attempt, node: this.#context.node }))
  }

  #reject(task: string, attempt: number, reason: string, out: Out): void {
    out.push(send(HYPERVISOR, { kind: "TaskRejected", task, attempt, node: this.#context.node, reason }))
  }
}
