/**
 * Tasks that are blocked, and what wakes them: a tick, a channel's level, or word from outside that their engine understands.
 *
 * A blocked task lies here, belongs to the queue of the CPU that it left, and is claimed by nobody: it does not move. Waking it is the
 * start of a scheduling decision, and of its trace.
 */
import { event, openSpan, send, timer } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { ChannelLevel, SlicePause } from "@backplane/compute-contract/task-engine"
import { seatOfQueue } from "@backplane/scenario-machine/topology"
import type { ChannelLevels, TaskInput } from "@backplane/compute-contract/task-messages"
import type { Channels } from "./channels.ts"
import { wakeSpan, type Dispatcher } from "./dispatcher.ts"
import type { EventStreams } from "./event-streams.ts"
import type { NodeContext, Out } from "./node-context.ts"
import { reassignQueues } from "./reassign.ts"
import { mayRunOn, viewOf, type Task, type TaskTable } from "./task-table.ts"

type Blocked = Extract<SlicePause, { kind: "blocked" }>

/** Sorts after the timers of CPUs and before "send": one message for all that happens at one instant. */
const RESUME_TIMER = "resume/"

export class Sleepers {
  readonly #context: NodeContext
  readonly #tasks: TaskTable
  readonly #streams: EventStreams
  readonly #channels: Channels
  readonly #dispatcher: Dispatcher

  constructor(parts: {
    readonly context: NodeContext
    readonly tasks: TaskTable
    readonly streams: EventStreams
    readonly channels: Channels
    readonly dispatcher: Dispatcher
  }) {
    this.#context = parts.context
    this.#tasks = parts.tasks
    this.#streams = parts.streams
    this.#channels = parts.channels
    this.#dispatcher = parts.dispatcher
  }

  /** The task left its CPU because it cannot go on. */
  block(now: VirtualTime, task: Task, { wakeTick, awaits }: Blocked, out: Out): void {
    this.#tasks.setState(task, "blocked", this.#context.ticks.tickAt(now))
    task.sleep = { wakeTick, awaits: awaits ?? null }
    if (wakeTick === null) return
    const at = this.#context.ticks.start(wakeTick)
    out.push(timer(`${RESUME_TIMER}${task.spec.task}`, at > now ? at : now))
  }

  onTimer(now: VirtualTime, key: string, out: Out): void {
    const task = this.#tasks.get(key.slice(RESUME_TIMER.length))
    const wakeTick = task?.sleep?.wakeTick ?? null
    if (task !== undefined && wakeTick !== null && wakeTick <= this.#context.ticks.tickAt(now)) this.#wake(now, task, out)
  }

  /** A task has advanced channels: whoever waited for that goes on. */
  advance(now: VirtualTime, task: Task, signals: readonly ChannelLevel[], out: Out): void {
    for (const signal of signals)
      if (this.#channels.advance(now, task.spec.task, signal, out)) this.#wakeWaitersOf(now, signal.channel, out)
  }

  onLevels(now: VirtualTime, from: ActorId, message: ChannelLevels, out: Out): void {
    for (const channel of this.#channels.onLevels(from, message, out)) this.#wakeWaitersOf(now, channel, out)
  }

  #wakeWaitersOf(now: VirtualTime, channel: string, out: Out): void {
    const level = this.#channels.level(channel)
    for (const task of this.#tasks.blocked()) {
      const awaits = task.sleep?.awaits
      if (awaits?.channel === channel && awaits.level <= level) this.#wake(now, task, out)
    }
    this.#dispatcher.endSpins(now, out)
  }

  onInput(now: VirtualTime, from: ActorId, { task: name, port, seq, data }: TaskInput, out: Out): void {
    const task = this.#tasks.get(name)
    const canHear = task !== undefined && task.state !== "leasing"
    const answer = canHear ? this.#context.works.receive(task, { port, seq, data }) : "absent"
    out.push(send(from, { kind: "TaskInputTaken", task: name, port, seq, node: this.#context.node, answer }))
    this.wakeNamed(now, out)
  }

  /** The engines have found that tasks can go on. */
  wakeNamed(now: VirtualTime, out: Out): void {
    for (const name of this.#context.works.takeWakes()) {
      const task = this.#tasks.get(name)
      if (task?.state === "blocked") this.#wake(now, task, out)
    }
  }

  #wake(now: VirtualTime, task: Task, out: Out): void {
    const tick = this.#context.ticks.tickAt(now)
    const sleptTicks = Math.max(0, tick - task.sinceTick)
    // Its queue may have lost the CPU for it meanwhile.
    if (!this.#context.mayLieIn(task.spec.affinity, task.queue)) reassignQueues([task], this.#context)
    const { queue, spec } = task
    this.#tasks.setState(task, "waiting", tick)
    const where = { "backplane.task": spec.task, "backplane.node": this.#context.node }
    const span = wakeSpan(spec.task)
    out.push(openSpan(span, "sched.wakeup", { ...where, "backplane.queue": queue }, { root: true }))
    out.push(event("task-woken", { ...where, "backplane.queue": queue }))
    const seat = seatOfQueue(queue)
    const idleCpus = this.#dispatcher.cpus.filter(({ state, index }) => {
      const isIdle = state.kind === "idle" && mayRunOn(spec.affinity, index)
      return isIdle && seatOfQueue(this.#context.queueOf(index)) === seat
    })
    const view = viewOf(task, this.#context.node, this.#dispatcher.isWarmOnLast(task))
    this.#streams.add(queue, { type: "TASK_WAKEUP", task: view, sleptTicks, idleCpus: idleCpus.map(({ index }) => index) }, span)
  }
}
