/**
 * Judges the decisions of schedulers, one verdict each, and carries out those that hold.
 *
 * A commit is handled once: a repeat gets the stored answer. A refusal costs nothing and changes nothing.
 */
import { event, send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { unreachable } from "@backplane/foundation-base/assert"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Decision, SchedulerCommit, SchedulerVerdicts, Verdict } from "@backplane/schedule-contract/scheduler-messages"
import type { Cpu } from "./cpu.ts"
import type { Dispatcher } from "./dispatcher.ts"
import type { EventStreams } from "./event-streams.ts"
import type { Moves } from "./moves.ts"
import type { NodeContext, Out } from "./node-context.ts"
import type { SchedulerTimers } from "./scheduler-timers.ts"
import type { SchedulerWatch } from "./scheduler-watch.ts"
import { mayRunOn, viewOf, type Task, type TaskTable } from "./task-table.ts"

type Run = Extract<Decision, { type: "RUN" }>
type Kick = Extract<Decision, { type: "KICK" }>
type Idle = Extract<Decision, { type: "IDLE" }>
type Keep = Extract<Decision, { type: "KEEP" }>
type Requeue = Extract<Decision, { type: "REQUEUE" }>

/** Preemptions of one CPU within a tick: more tasks than this do not wake for it at once. */
const PREEMPTIONS_MAX = 8

/** Answers kept per queue: a scheduler has few commits on the way at a time. */
const STORED_MAX = 64

/** A commit's answer: a repeat gets the same. */
interface Judged {
  readonly verdicts: readonly Verdict[]
  readonly at: VirtualTime
}

export class Commits {
  readonly #context: NodeContext
  readonly #tasks: TaskTable
  readonly #streams: EventStreams
  readonly #dispatcher: Dispatcher
  readonly #moves: Moves
  readonly #watch: SchedulerWatch
  readonly #timers: SchedulerTimers
  /** Per queue, of the current generation: commit number → verdicts, oldest first. */
  readonly #stored = new Map<string, Map<number, Judged>>()

  /** Queue → when its scheduler was last told how things stand because of a void commit. */
  readonly #toldTick = new Map<string, number>()

  constructor(parts: {
    readonly context: NodeContext
    readonly tasks: TaskTable
    readonly streams: EventStreams
    readonly dispatcher: Dispatcher
    readonly moves: Moves
    readonly watch: SchedulerWatch
    readonly timers: SchedulerTimers
  }) {
    this.#timers = parts.timers
    this.#context = parts.context
    this.#tasks = parts.tasks
    this.#streams = parts.streams
    this.#dispatcher = parts.dispatcher
    this.#moves = parts.moves
    this.#watch = parts.watch
  }

  /** A new scheduler counts its commits from 1. */
  forget(queue: string): void {
    this.#stored.delete(queue)
  }

  onCommit(now: VirtualTime, from: ActorId, commit: SchedulerCommit, out: Out): void {
    const isOurs = commit.epoch === this.#context.epoch && commit.incarnation === this.#context.incarnation
    if (!isOurs || commit.generation !== this.#streams.generationOf(commit.queue)) {
      // Said under an earlier policy, by an earlier life of the scheduler, or to an earlier life of this node: void. It is told how things stand.
      out.push(event("verdict-refused", { "backplane.queue": commit.queue, "backplane.verdict": "STALE_EPOCH" }))
      // At most once a tick: two that misunderstand each other must not keep the machine busy without end.
      const tick = this.#context.ticks.tickAt(now)
      if (this.#toldTick.get(commit.queue) === tick) return
      this.#toldTick.set(commit.queue, tick)
      out.push(send(from, this.#context.nodeUp(commit.queue)))
      return
    }
    this.#streams.seen(now, commit.queue, commit.seen)
    const stored = this.#storedOf(commit.queue)
    const before = stored.get(commit.commit)
    const judged = before ?? { verdicts: this.#judgeAll(now, commit, out), at: now }
    const { verdicts } = judged
    if (before === undefined && commit.decisions.length > 0) {
      stored.set(commit.commit, judged)
      if (stored.size > STORED_MAX) stored.delete(stored.keys().next().value as number)
    }
    const isAwaited = commit.decisions.some((decision, index) => decision.type === "REQUEUE" || !isGood(verdicts[index]))
    if (isAwaited) out.push(send(from, this.#answer(commit, judged)))
  }

  #answer({ epoch, queue, generation, commit }: SchedulerCommit, { verdicts, at }: Judged): SchedulerVerdicts {
    const { node } = this.#context
    return { kind: "SchedulerVerdicts", epoch, queue, generation, commit, node, verdicts: [...verdicts], at }
  }

  #storedOf(queue: string): Map<number, Judged> {
    let stored = this.#stored.get(queue)
    if (stored === undefined) this.#stored.set(queue, (stored = new Map<number, Judged>()))
    return stored
  }

  /** The runs of a group are looked at before any of them is done; where one does not hold, none is. */
  #judgeAll(now: VirtualTime, { queue, decisions }: SchedulerCommit, out: Out): readonly Verdict[] {
    const aborted = new Set<number>()
    for (const decision of decisions)
      if (decision.type === "RUN" && decision.group !== undefined && !isGood(this.#groupVerdict(now, queue, decision)))
        aborted.add(decision.group)
    return decisions.map((decision) => {
      const isAborted = decision.type === "RUN" && decision.group !== undefined && aborted.has(decision.group)
      const verdict = this.#watch.isFlooding(queue)
        ? "RATE_LIMITED"
        : isAborted
          ? this.#abortedVerdict(now, queue, decision)
          : this.#do(now, queue, decision, out)
      this.#watch.noteVerdict(this.#context.ticks.tickAt(now), queue, decision, verdict)
      if (verdict === "AFFINITY") this.#tellTuned(queue, decision)
      if (!isGood(verdict)) {
        const task = "task" in decision && { "backplane.task": decision.task }
        out.push(event("verdict-refused", { "backplane.queue": queue, "backplane.verdict": verdict, ...task }))
      }
      return verdict
    })
  }

  /** A task that would have to be fetched first may not come: it cannot be promised to a group. */
  #groupVerdict(now: VirtualTime, queue: string, run: Run): Verdict {
    return run.at === this.#context.node ? this.#verdictOn(now, queue, run) : "UNSUPPORTED"
  }

  /** The reason of the one that does not hold; of the others only that. */
  #abortedVerdict(now: VirtualTime, queue: string, run: Run): Verdict {
    const verdict = this.#groupVerdict(now, queue, run)
    return isGood(verdict) ? "GROUP_ABORTED" : verdict
  }

  #do(now: VirtualTime, queue: string, decision: Decision, out: Out): Verdict {
    switch (decision.type) {
      case "RUN":
        return this.#run(now, queue, decision, out)
      case "KICK":
        return this.#kick(now, queue, decision, out)
      case "REQUEUE":
        return this.#requeue(now, queue, decision, out)
      case "IDLE":
        return this.#idle(queue, decision, out)
      case "KEEP":
        return this.#keep(now, queue, decision, out)
      case "TIMER":
        return this.#timers.set(queue, decision, this.#context.ticks.start(this.#context.ticks.tickAt(now) + 1), out)
      case "EXIT":
        return "OK" // the watch has noted it
      default:
        return unreachable(decision)
    }
  }

  /** A scheduler that knows nothing of changed affinities has just heard of one: it is told once how the task is now. */
  #tellTuned(queue: string, decision: Decision): void {
    const task = decision.type === "RUN" ? this.#tasks.get(decision.task) : undefined
    const { tuned = 0 } = task?.spec ?? {}
    if (task === undefined || task.toldTuned >= tuned || task.state !== "waiting" || task.queue !== queue) return
    task.toldTuned = tuned
    const view = viewOf(task, this.#context.node, this.#dispatcher.isWarmOnLast(task))
    this.#streams.add(queue, { type: "TASK_NEW", task: view, reason: "snapshot" })
  }

  /** Only what runs, and what the scheduler means, goes on. */
  #keep(now: VirtualTime, queue: string, { cpu: index, task, taskSeq, until }: Keep, out: Out): Verdict {
    const cpu = this.#dispatcher.cpu(index)
    if (cpu === undefined || this.#context.queueOf(index) !== queue) return "NOT_OWNED"
    if (cpu.state.kind !== "running" || !isClaimOn(cpu.state.task, { task, taskSeq })) return "STALE_TASK"
    const untilTick = this.#context.ticks.tickAt(until as VirtualTime)
    if (untilTick <= this.#context.ticks.tickAt(now)) return "BAD_SLICE"
    this.#dispatcher.keep(now, cpu, untilTick, out)
    return "OK"
  }

  #kick(now: VirtualTime, queue: string, { cpu: index, task }: Kick, out: Out): Verdict {
    const cpu = this.#dispatcher.cpu(index)
    if (cpu === undefined || this.#context.queueOf(index) !== queue) return "NOT_OWNED"
    if (cpu.state.kind !== "running" || cpu.state.task.spec.task !== task) return "STALE_TASK"
    // A run has a tick at least, or a machine could be kept busy without getting on.
    if (cpu.state.fromTick === this.#context.ticks.tickAt(now)) return "RATE_LIMITED"
    this.#dispatcher.kick(now, cpu, out)
    return "OK"
  }

  #idle(queue: string, { cpu: index, idleSeq, depth }: Idle, out: Out): Verdict {
    const cpu = this.#dispatcher.cpu(index)
    if (cpu === undefined || this.#context.queueOf(index) !== queue) return "NOT_OWNED"
    if (cpu.state.kind !== "idle" || cpu.idleSeq !== idleSeq) return "CPU_BUSY"
    return this.#dispatcher.sleep(cpu, depth, out) ? "OK" : "UNSUPPORTED"
  }

  /** Whether the decision holds now. Changes nothing. */
  #verdictOn(now: VirtualTime, queue: string, run: Run): Verdict {
    const cpu = this.#dispatcher.cpu(run.cpu)
    if (cpu === undefined || this.#context.queueOf(run.cpu) !== queue) return "NOT_OWNED"
    const isNew = this.#streams.abilityOf(queue).contract >= 2
    if (run.next === true) return this.#nextVerdictOn(cpu, queue, run)
    if (cpu.hasAnswered(run)) return isNew ? "DUPLICATE" : "OK" // said before, done before
    if (!this.#context.isOnline(run.cpu)) return isNew ? "CPU_OFFLINE" : "CPU_BUSY"
    if (isNew && runsAlready(cpu, run)) return "ALREADY_ON_CPU"
    if (run.speed !== undefined && !this.#dispatcher.hasSpeed(cpu, run.speed)) return "UNSUPPORTED"
    const mayPreempt = run.preempt === true && cpu.state.kind === "running"
    if ((cpu.state.kind !== "idle" && !mayPreempt) || cpu.idleSeq !== run.idleSeq) return "CPU_BUSY"
    if (mayPreempt && cpu.cutsAt(this.#context.ticks.tickAt(now)) >= PREEMPTIONS_MAX) return "RATE_LIMITED"
    const untilTick = this.#context.ticks.tickAt(run.until as VirtualTime)
    if (untilTick <= this.#context.ticks.tickAt(now)) return "BAD_SLICE"
    if (run.at !== this.#context.node) return run.at < this.#context.spec.topology.nodes ? "OK" : "UNKNOWN_TASK"
    const task = this.#tasks.get(run.task)
    if (task === undefined) return "UNKNOWN_TASK"
    if (task.taskSeq !== run.taskSeq) return "STALE_TASK"
    if (task.state !== "waiting") return "NOT_RUNNABLE"
    if (task.queue !== queue) return "NOT_OWNED"
    return mayRunOn(task.spec.affinity, run.cpu) ? "OK" : "AFFINITY"
  }

  /** Whether a pre-fetched choice may be kept: the CPU runs, and the task waits. It is looked at again when it is taken. */
  #nextVerdictOn(cpu: Cpu, queue: string, run: Run): Verdict {
    if (!this.#context.isOnline(run.cpu)) return this.#streams.abilityOf(queue).contract >= 2 ? "CPU_OFFLINE" : "CPU_BUSY"
    if (cpu.state.kind !== "running" || cpu.idleSeq !== run.idleSeq) return "CPU_BUSY"
    if (run.at !== this.#context.node || run.group !== undefined || run.preempt === true) return "UNSUPPORTED"
    if (this.#ticksOf(run) < 1) return "BAD_SLICE"
    const task = this.#tasks.get(run.task)
    if (task === undefined) return "UNKNOWN_TASK"
    if (task.taskSeq !== run.taskSeq) return "STALE_TASK"
    if (task.state !== "waiting") return "NOT_RUNNABLE"
    if (task.queue !== queue) return "NOT_OWNED"
    return mayRunOn(task.spec.affinity, run.cpu) ? "OK" : "AFFINITY"
  }

  #ticksOf(run: Run): number {
    return Math.floor(run.until / this.#context.spec.clock.tickCycles)
  }

  #run(now: VirtualTime, queue: string, run: Run, out: Out): Verdict {
    const verdict = this.#verdictOn(now, queue, run)
    const cpu = this.#dispatcher.cpu(run.cpu)
    if (verdict !== "OK" || cpu === undefined || cpu.hasAnswered(run)) return verdict
    if (run.next === true) {
      const { task, taskSeq } = run
      cpu.next = { task, taskSeq, ticks: this.#ticksOf(run), generation: this.#streams.generationOf(queue) }
      return "OK"
    }
    const untilTick = this.#context.ticks.tickAt(run.until as VirtualTime)
    this.#accept(now, cpu, run, out)
    cpu.speedIndex = run.speed ?? 0
    if (run.at !== this.#context.node) this.#moves.fetch(now, { cpu, task: run.task, taskSeq: run.taskSeq, from: run.at, untilTick }, out)
    else this.#dispatcher.dispatch(now, { cpu, task: this.#tasks.mustGet(run.task), untilTick }, out)
    return "OK"
  }

  /** The decision holds: the CPU is free for it from now on. */
  #accept(now: VirtualTime, cpu: Cpu, run: Run, out: Out): void {
    cpu.noteAnswer(run)
    if (cpu.state.kind !== "running") return
    cpu.noteCut(this.#context.ticks.tickAt(now))
    this.#dispatcher.preempt(now, cpu, out)
  }

  /** Whether any CPU of the queue may run the task. The OSTEP model does not look, and loses tasks so. */
  #mayLieIn({ spec }: Task, queue: string): boolean {
    const { compat } = this.#context.spec.schedule
    return compat === "ostep" || this.#context.mayLieIn(spec.affinity, queue)
  }

  /** Where it is only that the thief's CPU has gone, the giver, which has let the claim go, is told the task again: it did nothing wrong. */
  #refuseHandover(queue: string, task: Task, to: string): Verdict {
    const mayLater = this.#context.cpusOf(to).some((cpu) => mayRunOn(task.spec.affinity, cpu))
    if (!mayLater) return "AFFINITY"
    const view = viewOf(task, this.#context.node, this.#dispatcher.isWarmOnLast(task))
    this.#streams.add(queue, { type: "TASK_NEW", task: view, reason: "snapshot" })
    return this.#streams.abilityOf(queue).contract >= 2 ? "CPU_OFFLINE" : "AFFINITY"
  }

  /** Hands a claim to another queue: this node tells the new holder, which answers the thief's question. */
  #requeue(now: VirtualTime, queue: string, requeue: Requeue, out: Out): Verdict {
    const task = this.#tasks.get(requeue.task)
    if (task === undefined) return "UNKNOWN_TASK"
    if (task.lastStealId === requeue.stealId) return "OK"
    if (task.queue !== queue || !this.#context.queues().includes(requeue.to)) return "NOT_OWNED"
    if (task.taskSeq !== requeue.taskSeq) return "STALE_TASK"
    if (task.state !== "waiting") return "NOT_RUNNABLE"
    if (!this.#mayLieIn(task, requeue.to)) return this.#refuseHandover(queue, task, requeue.to)
    const tick = this.#context.ticks.tickAt(now)
    const since = task.sinceTick
    this.#tasks.setState(task, "waiting", tick)
    task.sinceTick = since // it has waited all along, in whichever queue; `queuedTick` begins anew
    task.queue = requeue.to
    task.lastStealId = requeue.stealId
    const view = viewOf(task, this.#context.node, this.#dispatcher.isWarmOnLast(task))
    this.#streams.add(requeue.to, { type: "TASK_NEW", task: view, reason: "steal", stealId: requeue.stealId })
    // Told within this step, not with the instant's other events: the trace of the steal goes on with it.
    this.#streams.flush(now, out)
    return "OK"
  }
}

/** Done, or done before: nothing that its scheduler must be told of. */
function isGood(verdict: Verdict | undefined): boolean {
  return verdict === "OK" || verdict === "DUPLICATE"
}

/** Whether the claim is on the state in which the task was put on, or on the one since. */
function isClaimOn({ spec, taskSeq }: Task, claim: { readonly task: string; readonly taskSeq: number }): boolean {
  return spec.task === claim.task && (taskSeq === claim.taskSeq || taskSeq === claim.taskSeq + 1)
}

function runsAlready(cpu: Cpu, run: Run): boolean {
  return cpu.state.kind === "running" && isClaimOn(cpu.state.task, run)
}
