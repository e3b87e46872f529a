/**
 * Work that lies in one set of CPUs while a CPU of another has none. Rule: a CPU that has been idle for a slice, and whose own queue has
 * nothing for it, takes a task of another set that waits and may run there: the one that began to wait last, for its turn there
 * is farthest and the scheduler there least about to choose it. From another node if its own has none such. From then on the task belongs to the set that took it.
 */
import { event, send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { FallbackAsk, FallbackOffer } from "@backplane/compute-contract/task-messages"
import { nodeActor, seatOfQueue } from "@backplane/scenario-machine/topology"
import type { Cpu } from "./cpu.ts"
import type { Dispatcher } from "./dispatcher.ts"
import type { EventStreams } from "./event-streams.ts"
import type { Moves } from "./moves.ts"
import type { NodeContext, Out } from "./node-context.ts"
import { mayRunOn, type Task, type TaskTable } from "./task-table.ts"

export class Spill {
  readonly #context: NodeContext
  readonly #tasks: TaskTable
  readonly #streams: EventStreams
  readonly #dispatcher: Dispatcher
  readonly #moves: Moves

  constructor(parts: {
    readonly context: NodeContext
    readonly tasks: TaskTable
    readonly streams: EventStreams
    readonly dispatcher: Dispatcher
    readonly moves: Moves
  }) {
    this.#context = parts.context
    this.#tasks = parts.tasks
    this.#streams = parts.streams
    this.#dispatcher = parts.dispatcher
    this.#moves = parts.moves
  }

  get #isOn(): boolean {
    return this.#context.seats.length > 1 && !this.#context.isFallback
  }

  /** A CPU has had nothing to run for a slice. */
  onIdle(now: VirtualTime, cpu: Cpu, out: Out): void {
    if (!this.#isOn) return
    const task = this.#latestFor(cpu.index)
    if (task !== undefined) return this.#take(now, cpu, task, out)
    const { epoch, node, spec } = this.#context
    for (let other = 0; other < spec.topology.nodes; other++)
      if (other !== node) out.push(send(nodeActor(other), { kind: "FallbackAsk", epoch, node, cpu: cpu.index }))
  }

  #take(now: VirtualTime, cpu: Cpu, task: Task, out: Out): void {
    const queue = this.#context.queueOf(cpu.index)
    const attributes = { "backplane.task": task.spec.task, "backplane.cpu": cpu.index, "backplane.queue": queue }
    out.push(event("task-spilled", attributes))
    this.#streams.add(task.queue, { type: "TASK_GONE", task: task.spec.task, taskSeq: task.taskSeq, reason: "moved" })
    task.queue = queue
    this.#streams.add(queue, { type: "CPU_RUNNING", cpu: cpu.index, task: task.spec.task, taskSeq: task.taskSeq })
    this.#dispatcher.dispatch(now, { cpu, task, untilTick: this.#sliceEnd(now) }, out)
  }

  #sliceEnd(now: VirtualTime): number {
    const { sliceTicks } = this.#context.spec.schedule
    return (Math.floor(this.#context.ticks.tickAt(now) / sliceTicks) + 1) * sliceTicks
  }

  /** Of another set than the CPU's. */
  #latestFor(cpu: number): Task | undefined {
    const seat = seatOfQueue(this.#context.queueOf(cpu))
    return this.#tasks
      .all()
      .filter(({ state, queue, spec }) => state === "waiting" && seatOfQueue(queue) !== seat && mayRunOn(spec.affinity, cpu))
      .sort((a, b) => b.queuedTick - a.queuedTick || b.spec.ordinal - a.spec.ordinal)[0]
  }

  /** Another node's CPU has nothing to run. */
  onAsk(from: ActorId, { epoch, cpu }: FallbackAsk, out: Out): void {
    if (!this.#isOn || epoch !== this.#context.epoch) return
    const task = this.#latestFor(cpu)
    if (task === undefined) return
    const { node } = this.#context
    const { taskSeq, sinceTick } = task
    out.push(send(from, { kind: "FallbackOffer", epoch, node, task: task.spec.task, taskSeq, sinceTick, cpu }))
  }

  /** A task of another node for a CPU of ours that asked; it may have been given work meanwhile. */
  onOffer(now: VirtualTime, { epoch, node: from, task, taskSeq, cpu: index }: FallbackOffer, out: Out): void {
    const cpu = this.#dispatcher.cpu(index)
    if (!this.#isOn || epoch !== this.#context.epoch || cpu?.state.kind !== "idle") return
    // Offered for another CPU of ours, too.
    if (this.#dispatcher.cpus.some(({ state }) => state.kind === "fetching" && state.task === task)) return
    this.#moves.fetch(now, { cpu, task, taskSeq, from, untilTick: this.#sliceEnd(now) }, out)
  }

  /** A task that goes to a CPU of another set: the scheduler that had the claim did not decide it. */
  onLeave(task: Task, cpu: number): void {
    if (!this.#isOn || seatOfQueue(this.#context.queueOf(cpu)) === seatOfQueue(task.queue)) return
    this.#streams.add(task.queue, { type: "TASK_GONE", task: task.spec.task, taskSeq: task.taskSeq, reason: "moved" })
  }
}
