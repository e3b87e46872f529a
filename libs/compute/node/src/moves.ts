/**
 * Tasks that come from other nodes and go to them. The node whose CPU was told to run a task fetches it; the giver answers with
 * the token and keeps a copy until the taker has it, so that a lost answer loses nothing. Two messages on the path.
 */
import { closeSpan, event, openSpan, send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { TaskFetch, TaskFetchRefusal, TaskReceived, TaskState, TaskToken } from "@backplane/compute-contract/task-messages"
import { HYPERVISOR, nodeActor } from "@backplane/scenario-machine/topology"
import type { SchedulerEvent } from "@backplane/schedule-contract/scheduler-messages"
import type { Cpu } from "./cpu.ts"
import type { Dispatcher } from "./dispatcher.ts"
import type { EventStreams } from "./event-streams.ts"
import type { NodeContext, Out } from "./node-context.ts"
import { mayRunOn, taskOfToken, viewOf, type Task, type TaskTable } from "./task-table.ts"

/** Copies kept for takers that have not confirmed. */
const GIVEN_MAX = 4096
/**
 * A fetch is asked for so many times, two ticks apart: as long as the hypervisor waits for a silent node. By then the giver is given up
 * and its tasks begin again elsewhere, and this CPU must not wait for ever.
 */
const FETCH_TRIES_MAX = 100

interface Fetch {
  readonly cpu: Cpu
  readonly from: number
  readonly message: TaskFetch
  readonly untilTick: number
  sentAt: VirtualTime
  tries: number
}

/** A token that left, kept and said again until the taker confirms it. */
interface Given {
  readonly to: ActorId
  /** Life of the taker: a new one must not be given what the old one took with it. */
  readonly incarnation: number
  readonly state: TaskState
  sentAt: VirtualTime
}

export class Moves {
  readonly #context: NodeContext
  readonly #tasks: TaskTable
  readonly #streams: EventStreams
  readonly #dispatcher: Dispatcher
  /** Per CPU: the task it waits for. */
  readonly #fetches = new Map<number, Fetch>()
  /** task → the answer that was given, until it is confirmed. */
  readonly #given = new Map<string, Given>()

  /** Told of a task that leaves. */
  onLeave: ((task: Task, toCpu: number) => void) | null = null
  /** Told of a task that came and cannot run on the CPU that fetched it. */
  onStuck: ((now: VirtualTime, task: Task) => void) | null = null
  /** Told where a task that a CPU was to run is not to be had. */
  onEmpty: ((queue: string) => void) | null = null

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

  /** How many requests wait for an answer. */
  get unanswered(): number {
    return this.#fetches.size + this.#given.size
  }

  /** Tasks that left and whose arrival is not confirmed. */
  leaving(): readonly string[] {
    return [...this.#given.keys()]
  }

  tokensLeaving(): readonly TaskToken[] {
    return [...this.#given.values()].map(({ state }) => state.token)
  }

  /** Reserves the CPU and asks the other node for the task. */
  fetch(
    now: VirtualTime,
    want: { readonly cpu: Cpu; readonly task: string; readonly taskSeq: number; readonly from: number; readonly untilTick: number },
    out: Out,
  ): void {
    const { cpu, task, taskSeq, from, untilTick } = want
    const { node, incarnation } = this.#context
    cpu.state = { kind: "fetching", task, taskSeq, untilTick, sinceTick: this.#context.ticks.tickAt(now) }
    const message: TaskFetch = { kind: "TaskFetch", task, taskSeq, node, incarnation, cpu: cpu.index }
    this.#fetches.set(cpu.index, { cpu, from, message, untilTick, sentAt: now, tries: 1 })
    const key = `migrate/${task}`
    out.push(openSpan(key, "migrate", { "backplane.task": task, "backplane.from": `node ${from}`, "backplane.to": `node ${node}` }))
    out.push(send(nodeActor(from), message, key))
  }

  /** Another node's CPU is to run a task that lies here. */
  onFetch(now: VirtualTime, from: ActorId, fetch: TaskFetch, out: Out): void {
    const given = this.#given.get(fetch.task)
    const isRepeat = given?.to === from && given.incarnation === fetch.incarnation && given.state.fetchedSeq === fetch.taskSeq
    if (isRepeat) return void out.push(send(from, given.state))
    const task = this.#tasks.get(fetch.task)
    const reason = task === undefined ? "unknown" : task.taskSeq !== fetch.taskSeq ? "stale" : task.state !== "waiting" ? "running" : null
    if (task === undefined || reason !== null) {
      const { task: name, taskSeq, cpu } = fetch
      return void out.push(send(from, { kind: "TaskFetchRefusal", task: name, taskSeq, cpu, reason: reason ?? "unknown" }))
    }
    this.onLeave?.(task, fetch.cpu)
    const state: TaskState = {
      kind: "TaskState",
      token: this.#context.works.leave(this.#tasks.give(task)),
      fetchedSeq: fetch.taskSeq,
      cpu: fetch.cpu,
      queue: task.queue,
    }
    this.#given.set(fetch.task, { to: from, incarnation: fetch.incarnation, state, sentAt: now })
    if (this.#given.size > GIVEN_MAX) this.#given.delete(this.#given.keys().next().value as string)
    out.push(send(from, state))
  }

  onReceived(from: ActorId, received: TaskReceived): void {
    const given = this.#given.get(received.task)
    if (given?.to === from && given.state.fetchedSeq === received.fetchedSeq) this.#given.delete(received.task)
  }

  onState(now: VirtualTime, from: ActorId, state: TaskState, out: Out): void {
    const { token, cpu: index, fetchedSeq } = state
    const { task: name, attempt } = token.spec
    out.push(send(from, { kind: "TaskReceived", task: name, fetchedSeq }))
    const fetch = this.#fetches.get(index)
    if (fetch?.message.task !== name || fetch.message.taskSeq !== fetchedSeq) return // a copy: it is here already
    this.#fetches.delete(index)
    const task = taskOfToken(token, this.#context.queueOf(index), this.#context.ticks.tickAt(now))
    const here = this.#tasks.get(name)
    if (here !== undefined && here.spec.attempt < attempt) this.#dispatcher.drop(now, here, out)
    else if (here !== undefined || this.#tasks.isOver(token.spec)) return this.#giveUp(now, fetch, out)
    const refusal = this.#context.works.refusal(token.spec, token)
    if (refusal !== null) {
      // Nothing can go on from it. The hypervisor finds that nobody holds the task, and begins it again or says that it is lost.
      out.push(event("message-rejected", { "backplane.reason": `the token of task ${name}: ${refusal}` }, "warn"))
      this.#streams.add(task.queue, { type: "TASK_GONE", task: name, taskSeq: task.taskSeq, reason: "lost" })
      return this.#giveUp(now, fetch, out)
    }
    this.#tasks.add(task)
    out.push(send(HYPERVISOR, { kind: "TaskMoved", task: name, attempt, node: this.#context.node }))
    if (!mayRunOn(task.spec.affinity, index) || !this.#context.isOnline(index)) {
      // The scheduler should have known: the task waits here until it is decided where it may run.
      const view = viewOf(task, this.#context.node, false)
      this.#streams.add(task.queue, { type: "TASK_PREEMPTED", task: view, cpu: index, reason: "refused-move", ranTicks: 0 })
      this.onStuck?.(now, task)
      return this.#giveUp(now, fetch, out)
    }
    // Back on the CPU where it ran last, or on its first: nothing that is counted as a migration, but it came, and what it was fetched under is over.
    const isCounted = task.lastCpu !== null && task.lastCpu !== index
    this.#dispatcher.dispatch(now, { cpu: fetch.cpu, task, untilTick: fetch.untilTick }, out)
    if (!isCounted) out.push(closeSpan(`migrate/${name}`))
  }

  onRefusal(now: VirtualTime, refusal: TaskFetchRefusal, out: Out): void {
    const fetch = this.#fetches.get(refusal.cpu)
    if (fetch?.message.task !== refusal.task || fetch.message.taskSeq !== refusal.taskSeq) return
    this.#fetches.delete(refusal.cpu)
    this.onEmpty?.(this.#context.queueOf(refusal.cpu))
    this.#streams.add(this.#context.queueOf(refusal.cpu), goneEvent(refusal))
    out.push(
      event("verdict-refused", { "backplane.verdict": "STALE_TASK", "backplane.task": refusal.task, "backplane.reason": refusal.reason }),
    )
    this.#giveUp(now, fetch, out)
  }

  /** The CPU is free again without having run the task. */
  #giveUp(now: VirtualTime, fetch: Fetch, out: Out): void {
    out.push(closeSpan(`migrate/${fetch.message.task}`, {}, "the task could not be fetched"))
    this.#dispatcher.makeIdle(now, fetch.cpu, out)
  }

  repeat(now: VirtualTime, out: Out): void {
    for (const given of this.#given.values()) {
      if (!this.#context.isOverdue(now, given.sentAt)) continue
      given.sentAt = now
      out.push(send(given.to, given.state))
    }
    for (const fetch of [...this.#fetches.values()]) {
      if (!this.#context.isOverdue(now, fetch.sentAt)) continue
      if (fetch.tries++ >= FETCH_TRIES_MAX) {
        this.#fetches.delete(fetch.cpu.index)
        this.#streams.add(this.#context.queueOf(fetch.cpu.index), goneEvent(fetch.message))
        this.#giveUp(now, fetch, out)
        continue
      }
      fetch.sentAt = now
      out.push(send(nodeActor(fetch.from), fetch.message))
    }
  }
}

function goneEvent({ task, taskSeq }: { readonly task: string; readonly taskSeq: number }): SchedulerEvent {
  return { type: "TASK_GONE", task, taskSeq, reason: "moved" }
}
