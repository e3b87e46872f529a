/**
 * A scheduler in shadow: it hears all that happens on this node as if it were in force, and what it decides is judged, compared and not done.
 *
 * Its queues are its own: a task lies in one of them by the shadow's layout, whatever queue of the active schedulers it lies in. What was
 * really done is told with the events that any scheduler knows: a CPU runs another task than the one decided (CPU_RUNNING), so the claim goes
 * back. Claims that the shadow hands from queue to queue move in this book only.
 */
import { event, noteSpan, send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { unreachable } from "@backplane/foundation-base/assert"
import type { ShadowReport, ShadowSwap } from "@backplane/compute-contract/machine-messages"
import {
  cpusOfQueue,
  HYPERVISOR,
  queuesOfSeat,
  schedulerActor,
  seatQueue,
  type QueueName,
  type Seat,
} from "@backplane/scenario-machine/topology"
import type { Decision, SchedulerAttach, SchedulerCommit, SchedulerEvent, Verdict } from "@backplane/schedule-contract/scheduler-messages"
import type { NodeUp } from "@backplane/schedule-contract/scheduler-messages"
import type { Dispatcher } from "./dispatcher.ts"
import { EventStreams } from "./event-streams.ts"
import { tellSeat, type NodeContext, type Out } from "./node-context.ts"
import { ShadowLedger } from "./shadow-ledger.ts"
import { mayRunOn, viewOf, type Task, type TaskTable } from "./task-table.ts"

type Run = Extract<Decision, { type: "RUN" }>
type Requeue = Extract<Decision, { type: "REQUEUE" }>

/** Answers kept per queue. */
const STORED_MAX = 64
/** Times that a shadow which is over is told so unasked. */
const FAREWELLS = 5

interface Claimed {
  queue: QueueName
  /** As the shadow was told it last. */
  taskSeq: number
  stealId: string | null
}

export class Shadow {
  readonly #context: NodeContext
  readonly #tasks: TaskTable
  readonly #dispatcher: Dispatcher
  readonly streams: EventStreams
  #seat: Seat | null = null
  #epoch = 0
  #ledger = new ShadowLedger()
  readonly #claims = new Map<string, Claimed>()
  readonly #stored = new Map<QueueName, Map<number, { readonly verdicts: readonly Verdict[]; readonly at: VirtualTime }>>()
  #exit: string | null = null
  /** Queues of a shadow that is over. */
  #over: { readonly seat: Seat; tells: number } | null = null

  constructor(parts: { readonly context: NodeContext; readonly tasks: TaskTable; readonly dispatcher: Dispatcher }) {
    this.#context = parts.context
    this.#tasks = parts.tasks
    this.#dispatcher = parts.dispatcher
    this.streams = new EventStreams(parts.context, () => this.#epoch)
  }

  get isOn(): boolean {
    return this.#seat !== null
  }

  get epoch(): number {
    return this.#epoch
  }

  hasQueue(queue: QueueName): boolean {
    return this.queues().includes(queue)
  }

  queues(): readonly QueueName[] {
    return this.#seat === null ? [] : queuesOfSeat(this.#seat, this.#context.spec.topology.cpus)
  }

  /** Another candidate, or none. */
  onSwap({ epoch, shadow }: ShadowSwap, out: Out): void {
    if (epoch <= this.#epoch) return
    if (this.#seat !== null) this.#over = { seat: this.#seat, tells: FAREWELLS }
    this.#epoch = epoch
    this.#seat = shadow === null ? null : { ...shadow, cpus: null }
    this.#ledger = new ShadowLedger()
    this.#claims.clear()
    this.#stored.clear()
    this.#exit = null
    this.streams.closeAll()
    const { node } = this.#context
    if (shadow === null) out.push(event("shadow-ended", { "backplane.node": node, "backplane.epoch": epoch }))
    else out.push(noteSpan("sched.shadow", { "backplane.policy": shadow.policy, "backplane.epoch": epoch, "backplane.node": node }))
    this.sayUp(out)
  }

  /** Tells its schedulers that are not attached how things stand; those of one that is over, that they are not wanted. */
  sayUp(out: Out): void {
    for (const queue of this.queues()) if (!this.streams.isAttached(queue)) out.push(send(schedulerActor(queue), this.nodeUp()))
    if (this.#over === null || this.#over.tells-- <= 0) return
    const { seat } = this.#over
    if (seat.seat === this.#seat?.seat || this.#context.seats.some((active) => active.seat === seat.seat)) return
    for (const queue of queuesOfSeat(seat, this.#context.spec.topology.cpus)) out.push(send(schedulerActor(queue), this.nodeUp()))
  }

  nodeUp(): NodeUp {
    const { node, incarnation } = this.#context
    const seat = this.#seat ?? this.#over?.seat
    const told = seat === undefined ? { policy: "" } : tellSeat(seat)
    return { kind: "NodeUp", epoch: this.#epoch, node, incarnation, ...told, ...(this.#seat === null && { fallback: true as const }) }
  }

  onAttach(now: VirtualTime, from: ActorId, attach: SchedulerAttach, out: Out): void {
    const { queue, generation } = attach
    if (attach.epoch !== this.#epoch) return void out.push(send(from, this.nodeUp()))
    if (from !== schedulerActor(queue) || generation <= this.streams.generationOf(queue)) return
    this.#stored.delete(queue)
    this.streams.open(queue, attach, this.#snapshot(now, queue))
  }

  #snapshot(now: VirtualTime, queue: QueueName): SchedulerEvent[] {
    const tick = this.#context.ticks.tickAt(now)
    const waiting = this.#tasks.all().filter((task) => task.state === "waiting" && this.#claimOn(task).queue === queue)
    const cpus = this.#dispatcher.cpus.filter((cpu) => this.#queueOf(cpu.index) === queue)
    return [
      ...waiting.map((task): SchedulerEvent => {
        this.#claimOn(task).taskSeq = task.taskSeq
        return { type: "TASK_NEW", task: viewOf(task, this.#context.node, this.#dispatcher.isWarmOnLast(task)), reason: "snapshot" }
      }),
      ...cpus.flatMap((cpu): SchedulerEvent[] => {
        const { state, index } = cpu
        if (state.kind === "running") return [{ type: "CPU_RUNNING", cpu: index, task: state.task.spec.task, taskSeq: state.task.taskSeq }]
        if (state.kind !== "idle") return []
        this.#ledger.begin(tick, index, cpu.idleSeq)
        return [this.#dispatcher.idleEvent(cpu)]
      }),
    ]
  }

  #queueOf(cpu: number): QueueName {
    return this.#seat === null ? "" : seatQueue(this.#seat, cpu)
  }

  /** Where the task lies for the shadow: for one that is new to it, where fewest lie of those where it may run, near ones first. */
  #claimOn({ spec: { task, affinity }, taskSeq, cpu, lastCpu }: Task): Claimed {
    const known = this.#claims.get(task)
    if (known !== undefined) return known
    const { cpus: own, spec } = this.#context
    const all = Array.from({ length: spec.topology.cpus }, (_, index) => index)
    const allowed = all.filter((index) => mayRunOn(affinity, index) && this.#context.isOnline(index))
    const near = allowed.filter((index) => own.includes(index))
    const lengths = new Map<QueueName, number>()
    for (const { queue } of this.#claims.values()) lengths.set(queue, (lengths.get(queue) ?? 0) + 1)
    const loadOf = (index: number): number => lengths.get(this.#queueOf(index)) ?? 0
    const shortest = (near.length > 0 ? near : allowed).reduce(
      (best, index) => (loadOf(index) < loadOf(best) ? index : best),
      allowed[0] ?? 0,
    )
    const place = cpu ?? (lastCpu !== null && allowed.includes(lastCpu) ? lastCpu : shortest)
    const claim: Claimed = { queue: this.#queueOf(place), taskSeq, stealId: null }
    this.#claims.set(task, claim)
    return claim
  }

  /** Something happened that the active schedulers are told of, or would be if they were attached. */
  hear(tick: number, happened: SchedulerEvent): void {
    if (this.#seat === null) return
    switch (happened.type) {
      case "TASK_NEW":
        // From queue to queue of the active schedulers: nothing to the shadow, which has the task already.
        if (happened.reason === "steal" || happened.reason === "moved") return
        return this.#tellWaiting(happened.task.task, happened)
      case "TASK_WAKEUP":
      case "TASK_AFFINITY":
      case "TASK_WEIGHT":
      case "TASK_HINT":
        return this.#tellWaiting(happened.task.task, happened)
      case "TASK_PREEMPTED":
      case "TASK_YIELD":
        this.#place(happened.task.task, happened.task.taskSeq, this.#queueOf(happened.cpu))
        return this.streams.add(this.#queueOf(happened.cpu), happened)
      case "TASK_DEAD":
        this.#claims.delete(happened.task)
        return this.streams.add(this.#queueOf(happened.cpu), happened)
      case "TASK_BLOCKED":
        return this.streams.add(this.#queueOf(happened.cpu), happened)
      case "TASK_GONE":
        // A fetch that found nothing, or a change of queue, is the active schedulers' business.
        return happened.reason === "lost" ? this.leave(happened.task, happened.taskSeq, "lost") : undefined
      case "CPU_IDLE": {
        const { hot, ...plain } = happened
        const queue = this.#queueOf(happened.cpu)
        const own = hot?.filter((task) => this.#claims.get(task)?.queue === queue) ?? []
        this.#ledger.begin(tick, happened.cpu, happened.idleSeq)
        return this.streams.add(queue, { ...plain, ...(own.length > 0 && { hot: own }) })
      }
      case "CPU_TICK":
      case "CACHE_REPORT":
      case "POWER":
      case "CPU_OFFLINE":
      case "CPU_ONLINE":
        return this.streams.add(this.#queueOf(happened.cpu), happened)
      case "CPU_RUNNING": // said by `ran` for every dispatch
      case "TIMER":
      case "SYNC":
        return
      default:
        return unreachable(happened)
    }
  }

  #tellWaiting(name: string, told: Extract<SchedulerEvent, { readonly task: { readonly taskSeq: number } }>): void {
    const task = this.#tasks.get(name)
    if (task === undefined) return
    const claim = this.#claimOn(task)
    claim.taskSeq = told.task.taskSeq
    this.streams.add(claim.queue, told)
  }

  #place(task: string, taskSeq: number, queue: QueueName): void {
    this.#claims.set(task, { queue, taskSeq, stealId: null })
  }

  /** A task was put on a CPU, by whomever. */
  ran(tick: number, cpu: number, task: Task, untilTick: number): void {
    if (this.#seat === null) return
    const { spec, taskSeq } = task
    this.#ledger.active(tick, cpu, { task: spec.task, untilTick })
    const queue = this.#queueOf(cpu)
    const before = this.#claims.get(spec.task)
    if (before !== undefined && before.queue !== queue)
      this.streams.add(before.queue, { type: "TASK_GONE", task: spec.task, taskSeq, reason: "moved" })
    this.#place(spec.task, before?.taskSeq ?? taskSeq, queue)
    this.streams.add(queue, { type: "CPU_RUNNING", cpu, task: spec.task, taskSeq })
  }

  /** The task lies here no more. */
  leave(task: string, taskSeq: number, reason: "moved" | "lost"): void {
    const claim = this.#claims.get(task)
    if (claim === undefined) return
    this.#claims.delete(task)
    this.streams.add(claim.queue, { type: "TASK_GONE", task, taskSeq, reason })
  }

  onCommit(now: VirtualTime, from: ActorId, commit: SchedulerCommit, out: Out): void {
    const { queue, generation, epoch } = commit
    const isOurs = epoch === this.#epoch && commit.incarnation === this.#context.incarnation && this.#seat !== null
    if (!isOurs || generation !== this.streams.generationOf(queue)) return void out.push(send(from, this.nodeUp()))
    this.streams.seen(now, queue, commit.seen)
    let stored = this.#stored.get(queue)
    if (stored === undefined) this.#stored.set(queue, (stored = new Map()))
    const judged = stored.get(commit.commit) ?? { verdicts: commit.decisions.map((one) => this.#judge(now, queue, one)), at: now }
    if (commit.decisions.length > 0) stored.set(commit.commit, judged)
    const { verdicts, at } = judged
    if (stored.size > STORED_MAX) stored.delete(stored.keys().next().value as number)
    if (!commit.decisions.some((decision, index) => decision.type === "REQUEUE" || verdicts[index] !== "OK")) return
    const { node } = this.#context
    out.push(send(from, { kind: "SchedulerVerdicts", epoch, queue, generation, commit: commit.commit, node, verdicts: [...verdicts], at }))
  }

  #judge(now: VirtualTime, queue: QueueName, decision: Decision): Verdict {
    const verdict = this.#verdictOn(now, queue, decision)
    if (verdict !== "OK") this.#ledger.refused(verdict)
    return verdict
  }

  #verdictOn(now: VirtualTime, queue: QueueName, decision: Decision): Verdict {
    switch (decision.type) {
      case "RUN":
        return this.#onRun(now, queue, decision)
      case "REQUEUE":
        return this.#onRequeue(queue, decision)
      case "EXIT":
        this.#exit = decision.message
        return "OK"
      case "KICK":
      case "IDLE":
      case "KEEP":
        return this.#queueOf(decision.cpu) === queue ? "OK" : "NOT_OWNED"
      case "TIMER":
        return "UNSUPPORTED"
      default:
        return unreachable(decision)
    }
  }

  /** As for an active scheduler, but for the moment at which the CPU was idle: by now it may run what the active one chose. */
  #onRun(now: VirtualTime, queue: QueueName, run: Run): Verdict {
    const cpu = this.#dispatcher.cpu(run.cpu)
    if (cpu === undefined || this.#queueOf(run.cpu) !== queue) return "NOT_OWNED"
    if (run.next === true) return "OK"
    if (this.#ledger.idleSeqOf(run.cpu) !== run.idleSeq) return "CPU_BUSY"
    const untilTick = this.#context.ticks.tickAt(run.until as VirtualTime)
    const tick = this.#context.ticks.tickAt(now)
    if (untilTick <= tick) return "BAD_SLICE"
    if (run.at === this.#context.node) {
      const claim = this.#claims.get(run.task)
      const task = this.#tasks.get(run.task)
      if (task === undefined || claim === undefined) return "UNKNOWN_TASK"
      if (claim.taskSeq !== run.taskSeq) return "STALE_TASK"
      if (claim.queue !== queue) return "NOT_OWNED"
      if (!mayRunOn(task.spec.affinity, run.cpu)) return "AFFINITY"
    }
    if (run.preempt !== true) this.#ledger.shadow(run.cpu, { task: run.task, untilTick })
    else if (cpu.state.kind === "running" && cpu.state.task.spec.task !== run.task)
      this.#ledger.preempt(tick, run.cpu, { active: cpu.state.task.spec.task, shadow: run.task })
    return "OK"
  }

  #onRequeue(queue: QueueName, { task: name, taskSeq, to, stealId }: Requeue): Verdict {
    const task = this.#tasks.get(name)
    const claim = this.#claims.get(name)
    if (task === undefined || claim === undefined) return "UNKNOWN_TASK"
    if (claim.stealId === stealId) return "OK"
    if (claim.queue !== queue || !this.hasQueue(to)) return "NOT_OWNED"
    if (claim.taskSeq !== taskSeq) return "STALE_TASK"
    if (task.state !== "waiting") return "NOT_RUNNABLE"
    if (!cpusOfQueue(to, this.#context.spec.topology.cpus).some((cpu) => mayRunOn(task.spec.affinity, cpu))) return "AFFINITY"
    // As in force: the claim that is handed over is on a new state of the task. Only the book's number grows.
    this.#claims.set(name, { queue: to, taskSeq, stealId })
    const view = { ...viewOf(task, this.#context.node, this.#dispatcher.isWarmOnLast(task)), taskSeq }
    this.streams.add(to, { type: "TASK_NEW", task: view, reason: "steal", stealId })
    return "OK"
  }

  /** Once a slice: how it compares. */
  report(now: VirtualTime, out: Out): void {
    if (this.#seat === null) return
    const { node, incarnation, ticks } = this.#context
    const queues = this.queues()
    const body: ShadowReport = {
      kind: "ShadowReport",
      node,
      incarnation,
      epoch: this.#epoch,
      tick: ticks.tickAt(now),
      ...this.#ledger.report(),
      silentTicks: Math.max(0, ...queues.map((queue) => this.streams.silentTicks(now, queue))),
      attached: queues.every((queue) => this.streams.isAttached(queue)),
      exit: this.#exit,
    }
    out.push(send(HYPERVISOR, body))
  }
}
