/**
 * Watches the schedulers of this node's queues, and tells the hypervisor of one that does not do its part (rungs two and up of the ladder
 * of fallback). It only tells: the hypervisor ejects. Said again with every look, as long as the epoch lasts.
 *
 * stall: the queue's CPUs had to help themselves for so many slices in a row; each time with a task that it could have run and that had been
 * claimed for a slice, so nobody is blamed for what no CPU could do. starved: a task waits many times longer than its weight explains.
 * silent: nothing that was said is answered. lag: too much that was said is unanswered. abuse: refused decisions and next to no others.
 * exit: it said so itself.
 */
import { event, send, timer } from "@backplane/foundation-actor/effects"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { HYPERVISOR, type QueueName } from "@backplane/scenario-machine/topology"
import type { SchedulerFault, FaultKind } from "@backplane/schedule-contract/failure-messages"
import type { Decision, SchedulerEvent, Verdict } from "@backplane/schedule-contract/scheduler-messages"
import { WEIGHT_DEFAULT } from "@backplane/schedule-contract/task-view"
import type { EventStreams } from "./event-streams.ts"
import type { NodeContext, Out } from "./node-context.ts"
import { mayRunOn, type Task, type TaskTable } from "./task-table.ts"

export const WATCH_TIMER = "watch"

/** Slices in a row in which a CPU had to help itself; during probation the smaller number. */
const STALL_SLICES = 20
const STALL_SLICES_PROBATION = 5
/** A task may wait so many times what its weight makes of a round of the queue. */
const STARVED_TIMES = 20
/** Slices of some policies are so many times the machine's (mlfq at its lowest level, o1 at its best). */
const SLICE_TIMES_MOST = 8
/** Something is unanswered for so many slices: three heartbeats. */
const SILENT_SLICES = 30
/** Messages to one queue that may be unanswered at a time. */
const LAG_MESSAGES = 512
/** Refused decisions between two looks, and of so many decisions one must have been good. */
const ABUSE_REFUSALS = 64
const ABUSE_GOOD_IN = 16
/** Of each queue, the last things said to and by its scheduler. */
const LINES_MAX = 100
const DUMP_MAX = 64
/** A new policy is on probation for so long. */
export const PROBATION_SLICES = 20

interface Watched {
  bypasses: number
  refused: number
  good: number
  exit: string | null
  lines: string[]
}

export class SchedulerWatch {
  readonly #context: NodeContext
  readonly #tasks: TaskTable
  readonly #streams: EventStreams
  readonly #queues = new Map<QueueName, Watched>()

  constructor(parts: { readonly context: NodeContext; readonly tasks: TaskTable; readonly streams: EventStreams }) {
    this.#context = parts.context
    this.#tasks = parts.tasks
    this.#streams = parts.streams
  }

  begin(now: VirtualTime, out: Out): void {
    out.push(timer(WATCH_TIMER, this.#context.laterTicks(now, this.#context.spec.schedule.sliceTicks)))
  }

  /** Another policy: nobody has done anything wrong yet. */
  reset(): void {
    this.#queues.clear()
  }

  #of(queue: QueueName): Watched {
    let watched = this.#queues.get(queue)
    if (watched === undefined) this.#queues.set(queue, (watched = { bypasses: 0, refused: 0, good: 0, exit: null, lines: [] }))
    return watched
  }

  #line(queue: QueueName, text: string): void {
    const { lines } = this.#of(queue)
    lines.push(text.slice(0, 200))
    if (lines.length > LINES_MAX) lines.shift()
  }

  noteEvent(tick: number, queue: QueueName, said: SchedulerEvent): void {
    const what = "task" in said ? (typeof said.task === "string" ? said.task : `${said.task.task}/${said.task.taskSeq}`) : ""
    this.#line(queue, `${tick} > ${said.type} ${what}${"cpu" in said ? ` cpu ${said.cpu}` : ""}`)
  }

  noteBypass(tick: number, queue: QueueName, task: string): void {
    this.#of(queue).bypasses++
    this.#line(queue, `${tick} = bypassed: ${task}`)
  }

  noteVerdict(tick: number, queue: QueueName, decision: Decision, verdict: Verdict): void {
    const watched = this.#of(queue)
    if (verdict === "OK") {
      watched.good++
      if (decision.type === "RUN") watched.bypasses = 0
    } else watched.refused++
    if (decision.type === "EXIT") watched.exit = decision.message
    this.#line(queue, `${tick} < ${JSON.stringify(decision)} ${verdict}`)
  }

  /** A decision that was taken for good named a task of another node that is not to be had. */
  noteEmptyFetch(queue: QueueName): void {
    const watched = this.#of(queue)
    watched.good = Math.max(0, watched.good - 1)
    watched.refused++
  }

  /** More refused decisions than anybody needs to find out how things stand: the rest is not looked at. */
  isFlooding(queue: QueueName): boolean {
    const { refused, good } = this.#of(queue)
    return refused >= ABUSE_REFUSALS && refused > ABUSE_GOOD_IN * good
  }

  onTimer(now: VirtualTime, out: Out): void {
    this.begin(now, out)
    if (this.#context.isFallback) return
    for (const queue of this.#context.queues()) {
      const fault = this.#faultOf(now, queue)
      if (fault !== null) out.push(send(HYPERVISOR, fault))
      if (fault !== null) out.push(event("scheduler-fault", { "backplane.queue": queue, "backplane.reason": fault.message }, "warn"))
      Object.assign(this.#of(queue), { refused: 0, good: 0 })
    }
  }

  #faultOf(now: VirtualTime, queue: QueueName): SchedulerFault | null {
    const found = this.#findingOn(now, queue)
    if (found === null) return null
    const { node, epoch, ticks } = this.#context
    const policy = this.#context.policyOf(queue)
    const tick = ticks.tickAt(now)
    const { lines } = this.#of(queue)
    const [fault, message] = found
    return { kind: "SchedulerFault", node, epoch, queue, policy, tick, fault, message, lines: [...lines], tasks: this.#dump(tick, queue) }
  }

  #findingOn(now: VirtualTime, queue: QueueName): readonly [FaultKind, string] | null {
    const { bypasses, exit } = this.#of(queue)
    const { sliceTicks } = this.#context.spec.schedule
    const tick = this.#context.ticks.tickAt(now)
    const cpus = this.#context.cpus.filter((cpu) => this.#context.queueOf(cpu) === queue && this.#context.isOnline(cpu)).length
    const stallSlices = tick < this.#context.probationUntilTick ? STALL_SLICES_PROBATION : STALL_SLICES
    const silentTicks = this.#streams.silentTicks(now, queue)
    const unseen = this.#streams.unseenOf(queue)
    if (exit !== null) return ["exit", exit]
    if (cpus > 0 && bypasses >= stallSlices * cpus)
      return ["stall", `${bypasses} times in a row a CPU had to help itself: work was there and no good decision came`]
    if (silentTicks >= SILENT_SLICES * sliceTicks) return ["silent", `what was said ${silentTicks} ticks ago is not answered`]
    if (unseen >= LAG_MESSAGES) return ["lag", `${unseen} messages are not answered`]
    if (this.isFlooding(queue))
      return ["abuse", `${this.#of(queue).refused} decisions of a slice were refused, ${this.#of(queue).good} were good`]
    const starved = this.#starved(tick, queue)
    return starved === null ? null : ["starved", starved]
  }

  /** Waits in turn are as long as the queue; by weight, as long as the others' weights are to its own. `fifo` promises nothing. */
  #starved(tick: number, queue: QueueName): string | null {
    const { spec } = this.#context
    if (this.#context.policyOf(queue) === "fifo") return null
    const cpus = this.#context.cpusOf(queue).filter((cpu) => this.#context.isOnline(cpu))
    const runnable = this.#tasks.all().filter((task) => task.queue === queue && (task.state === "waiting" || task.state === "running"))
    const weights = runnable.reduce((sum, task) => sum + weightOf(task), 0)
    for (const task of runnable) {
      if (task.state !== "waiting" || !cpus.some((cpu) => mayRunOn(task.spec.affinity, cpu))) continue
      const roundSlices = Math.max(runnable.length, weights / weightOf(task))
      const waited = tick - Math.max(task.queuedTick, 0)
      const boundTicks = Math.ceil(STARVED_TIMES * roundSlices * SLICE_TIMES_MOST * spec.schedule.sliceTicks)
      if (waited > boundTicks)
        return `task ${task.spec.task} waits since ${waited} ticks; ${boundTicks} is the most that its weight explains`
    }
    return null
  }

  #dump(tick: number, queue: QueueName): SchedulerFault["tasks"] {
    return this.#tasks
      .all()
      .filter((task) => task.queue === queue)
      .slice(0, DUMP_MAX)
      .map(({ spec, taskSeq, state, sinceTick, runtime, lastCpu, cpu }) => ({
        task: spec.task,
        taskSeq,
        state,
        ticks: Math.max(0, tick - sinceTick),
        runtime,
        cpu: cpu ?? lastCpu,
        affinity: [...spec.affinity],
      }))
  }
}

function weightOf({ spec }: Task): number {
  return spec.weight ?? WEIGHT_DEFAULT
}
