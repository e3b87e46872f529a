/**
 * The node machine: CPUs, caches and tasks of one NUMA node. See README.md for what it hears and says and for its invariants.
 *
 * This file only dispatches inputs and keeps the timers; each part has its own file.
 */
import { cancel, closeSpan, event, noteSpan, openSpan, send, timer } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect, Input, Machine, Restored } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { SyntheticEngine } from "@backplane/compute-synthetic/synthetic-engine"
import type { PolicySwap, ScheduleAsk, TaskRevoke } from "@backplane/compute-contract/task-messages"
import type { SchedulerAttach, SchedulerCommit, SchedulerEvent } from "@backplane/schedule-contract/scheduler-messages"
import { POLICY_NAMES, type MachineSpec, type PolicyName } from "@backplane/scenario-machine/machine-spec"
import { doorActor, HYPERVISOR, nodeActor, ownSeat, schedulerActor, type QueueName } from "@backplane/scenario-machine/topology"
import type { VmPages, VmSaying } from "@backplane/trap-contract/vm-host"
import { CpuLevelKeeper } from "./cpu-levels.ts"
import { Channels } from "./channels.ts"
import { Commits } from "./commits.ts"
import { Completions } from "./completions.ts"
import { Dispatcher, type DispatchHooks } from "./dispatcher.ts"
import { Fallback, FALLBACK_TIMER } from "./fallback.ts"
import { PROBATION_SLICES, SchedulerWatch, WATCH_TIMER } from "./scheduler-watch.ts"
import { EventStreams } from "./event-streams.ts"
import { inspectCpu, inspectTask, type NodeInspection } from "./inspection.ts"
import { Leases } from "./leases.ts"
import { Moves } from "./moves.ts"
import { NodeContext, RETRY_TICKS, REPORT_TICKS, type NodeHears, type NodeSays, type Out } from "./node-context.ts"
import { reassignQueues } from "./reassign.ts"
import { SchedulerTimers, SCHEDULER_TIMER } from "./scheduler-timers.ts"
import { Shadow } from "./shadow.ts"
import { Sleepers } from "./sleepers.ts"
import { Spill } from "./spill.ts"
import { Submissions } from "./submissions.ts"
import type { TaskEngines } from "./task-works.ts"
import { TaskLevels } from "./task-levels.ts"
import { heldOf, isFirstWait, TaskTable, viewOf, type Task } from "./task-table.ts"

/** Open while a new life of the node tells the others of itself. */
const RESTART_SPAN = "restart"
/** Run lengths in one page of the schedule. */
const PAGE_MAX = 4096

export interface NodeConfig {
  readonly spec: MachineSpec
  readonly node: number
  readonly incarnation: number
  /** What its CPUs run tasks with; absent: synthetic jobs and nothing else. */
  readonly engines?: TaskEngines
}

export class NodeMachine implements Machine<NodeHears, NodeSays> {
  readonly #context: NodeContext
  readonly #tasks = new TaskTable()
  readonly #streams: EventStreams
  readonly #dispatcher: Dispatcher
  readonly #moves: Moves
  readonly #commits: Commits
  readonly #leases: Leases
  readonly #submissions: Submissions
  readonly #completions: Completions
  readonly #channels: Channels
  readonly #sleepers: Sleepers
  readonly #levels: TaskLevels
  readonly #watch: SchedulerWatch
  readonly #fallback: Fallback
  readonly #shadow: Shadow
  readonly #spill: Spill
  readonly #cpuLevels: CpuLevelKeeper
  readonly #timers: SchedulerTimers
  /** Of the step under way. */
  #tick = -1
  /** Whether the retry timer and the flush timer are set. */
  #retrying = false
  #flushing = false

  constructor(config: NodeConfig) {
    const context = new NodeContext(config, config.engines ?? { jobs: new SyntheticEngine(config.spec.cache) })
    const tasks = this.#tasks
    const streams = new EventStreams(context)
    const channels = new Channels(context)
    const hooks: DispatchHooks = {
      onFinished: (now, task, endTick, out) => {
        this.#completions.finished(now, task, endTick, out)
        this.#leases.release(now, task, out)
      },
      onBlocked: (...of) => {
        this.#sleepers.block(...of)
      },
      onRan: (now, task, { signals = [] }, out) => {
        this.#sleepers.advance(now, task, signals, out)
        this.#sleepers.wakeNamed(now, out)
      },
      onBypass: (now, queue, task) => {
        this.#watch.noteBypass(context.ticks.tickAt(now), queue, task.spec.task)
      },
      onDispatched: (now, cpu, task, untilTick) => {
        this.#shadow.ran(context.ticks.tickAt(now), cpu, task, untilTick)
      },
      onNoWork: (now, cpu, out) => {
        this.#spill.onIdle(now, cpu, out)
      },
      isReached: ({ channel, level }) => channels.level(channel) >= level,
    }
    const dispatcher = new Dispatcher({ context, tasks, streams, hooks })
    this.#channels = channels
    this.#sleepers = new Sleepers({ context, tasks, streams, channels, dispatcher })
    this.#context = context
    this.#levels = new TaskLevels(context.node)
    this.#streams = streams
    this.#dispatcher = dispatcher
    this.#moves = new Moves({ context, tasks, streams, dispatcher })
    this.#watch = new SchedulerWatch({ context, tasks, streams })
    this.#fallback = new Fallback({ context, tasks, dispatcher, moves: this.#moves })
    this.#timers = new SchedulerTimers(streams)
    this.#commits = new Commits({ context, tasks, streams, dispatcher, moves: this.#moves, watch: this.#watch, timers: this.#timers })
    this.#shadow = new Shadow({ context, tasks, dispatcher })
    this.#cpuLevels = new CpuLevelKeeper({ context, tasks, streams, dispatcher })
    this.#spill = new Spill({ context, tasks, streams, dispatcher, moves: this.#moves })
    this.#moves.onLeave = (task, toCpu) => {
      this.#spill.onLeave(task, toCpu)
      this.#shadow.leave(task.spec.task, task.taskSeq, "moved")
    }
    this.#moves.onStuck = (now, task) => {
      this.#cpuLevels.rehome(now, task)
    }
    streams.tap = (happened) => {
      this.#shadow.hear(this.#tick, happened)
    }
    this.#leases = new Leases(context, tasks)
    this.#submissions = new Submissions({ context, tasks, streams, dispatcher, leases: this.#leases })
    this.#completions = new Completions(context)
    this.#moves.onEmpty = (queue) => {
      this.#watch.noteEmptyFetch(queue)
    }
    streams.onEvent = (queue, said) => {
      this.#watch.noteEvent(this.#tick, queue, said)
    }
  }

  start(now: VirtualTime, restored: Restored = new Map()): readonly Effect<NodeSays>[] {
    const out: Out = []
    this.#context.works.vms?.at(now)
    this.#context.works.vms?.restore(restored)
    const begin = this.#context.ticks.start(0)
    out.push(timer("begin", now > begin ? now : begin))
    const { node, incarnation } = this.#context
    if (incarnation > 1) out.push(openSpan(RESTART_SPAN, "actor.restart", { "backplane.node": node }, { root: true }))
    this.#channels.begin(now, out)
    this.#watch.begin(now, out)
    this.#sayNodeUp(now, out)
    this.#report(now, out)
    if (incarnation > 1) out.push(closeSpan(RESTART_SPAN))
    return this.#finishStep(now, out)
  }

  step(now: VirtualTime, input: Input<NodeHears>): readonly Effect<NodeSays>[] {
    const out: Out = []
    this.#tick = this.#context.ticks.tickAt(now)
    this.#context.works.vms?.at(now)
    if (input.kind === "message") this.#onMessage(now, input.from, input.body, out)
    else if (input.kind === "timer") this.#onTimer(now, input.key, out)
    else this.#onPersisted(now, input.key, out)
    return this.#finishStep(now, out)
  }

  #onMessage(now: VirtualTime, from: ActorId, body: NodeHears, out: Out): void {
    switch (body.kind) {
      case "TaskSubmit":
        return this.#submissions.onSubmit(now, body, out)
      case "TaskFinishedSeen":
        return this.#completions.onSeen(body)
      case "TaskRevoke":
        return this.#onTaskRevoke(now, body, out)
      case "TaskFetch":
        return this.#moves.onFetch(now, from, body, out)
      case "TaskState":
        return this.#moves.onState(now, from, body, out)
      case "TaskFetchRefusal":
        return this.#moves.onRefusal(now, body, out)
      case "TaskReceived":
        return this.#moves.onReceived(from, body)
      case "ChannelLevels":
        return this.#sleepers.onLevels(now, from, body, out)
      case "ChannelLevelsSeen":
        return this.#channels.onSeen(now, body, out)
      case "ChannelAsk":
        return this.#channels.onAsk(now, body, out)
      case "FallbackAsk":
        this.#spill.onAsk(from, body, out)
        return this.#fallback.onAsk(from, body, out)
      case "FallbackOffer":
        this.#spill.onOffer(now, body, out)
        return this.#fallback.onOffer(body)
      case "TaskInput":
        return this.#sleepers.onInput(now, from, body, out)
      case "PolicySwap":
        return this.#onPolicySwap(now, body, out)
      case "ShadowSwap":
        this.#shadow.onSwap(body, out)
        return void out.push(send(HYPERVISOR, { kind: "ShadowSwapped", epoch: this.#shadow.epoch, node: this.#context.node }))
      case "CpuLevels":
        return this.#cpuLevels.onLevels(now, body, out)
      case "TaskTune":
        return this.#cpuLevels.onTune(now, body, out)
      case "ScheduleAsk":
        return this.#onScheduleAsk(body, out)
      case "SchedulerAttach":
        return this.#shadow.hasQueue(body.queue) ? this.#shadow.onAttach(now, from, body, out) : this.#onAttach(from, body, out)
      case "SchedulerCommit":
        if (this.#isShadows(body)) return this.#shadow.onCommit(now, from, body, out)
        return this.#commits.onCommit(now, from, body, out)
      case "FrameLeaseGrant":
        return this.#submissions.onReady(now, this.#leases.onGrant(now, body, out), out)
      case "FrameLeaseRefusal":
        return this.#submissions.onRefused(this.#leases.onRefusal(body, out), body.reason, out)
      case "FrameReleased":
        return this.#leases.onReleased(body)
      case "MemoryUp":
        return this.#leases.onMemoryUp(body, this.#moves.tokensLeaving(), out)
      default:
        if (isOfPages(body)) this.#onPages(from, body, out)
        else this.#context.works.vms?.hear(body)
        return this.#sleepers.wakeNamed(now, out)
    }
  }

  /** Memory that it shares with other nodes is of VMs; a node without any holds no page. */
  #onPages(from: ActorId, body: VmPages, out: Out): void {
    const { works, node } = this.#context
    if (works.vms !== null) works.vms.hearPages(from, body)
    else if (body.kind === "PagesAsk") out.push(send(from, { kind: "PagesReport", node, epoch: body.epoch, part: 0, parts: 1, spaces: [] }))
  }

  #onPersisted(now: VirtualTime, key: string, out: Out): void {
    this.#context.works.vms?.onPersisted(key)
    this.#sleepers.wakeNamed(now, out)
  }

  #onTimer(now: VirtualTime, key: string, out: Out): void {
    const [name, index] = key.split("/")
    if (name === "cpu") this.#dispatcher.onCpuTimer(now, Number(index), out)
    else if (name === "resume") this.#sleepers.onTimer(now, key, out)
    else if (name === "idle") this.#dispatcher.onIdleTimer(now, Number(index), out)
    else if (name === WATCH_TIMER) this.#onSlice(now, out)
    else if (name === SCHEDULER_TIMER) this.#timers.onTimer(now, key)
    else if (name === FALLBACK_TIMER) this.#fallback.onTimer(now, out)
    else if (name === "begin") this.#dispatcher.online(now, out)
    else if (name === "report") this.#report(now, out)
    else if (name === "node-up") this.#sayNodeUp(now, out)
    else if (name === "retry") this.#repeatAll(now, out)
    else if (name === "send") this.#flush(now, out)
    else if (name === "pages") {
      this.#context.works.vms?.onTimer(key)
      this.#sleepers.wakeNamed(now, out)
    }
  }

  /** Once a slice of the machine. */
  #onSlice(now: VirtualTime, out: Out): void {
    this.#watch.onTimer(now, out)
    this.#shadow.report(now, out)
    for (const { state, index } of this.#dispatcher.cpus) {
      const queue = this.#context.queueOf(index)
      const { wants } = this.#streams.abilityOf(queue)
      if (state.kind === "running" && wants.includes("CACHE_REPORT"))
        this.#streams.add(queue, { type: "CACHE_REPORT", cpu: index, hot: this.#dispatcher.hotOn(index) })
      if (state.kind !== "running" || !wants.includes("CPU_TICK")) continue
      const { task, fromTick } = state
      const ranTicks = Math.max(0, this.#tick - fromTick)
      this.#streams.add(queue, { type: "CPU_TICK", cpu: index, task: task.spec.task, taskSeq: task.taskSeq, ranTicks })
    }
  }

  /** Said by a scheduler in shadow, or by one that was there before and has not heard that it is over. */
  #isShadows({ queue, epoch }: SchedulerCommit): boolean {
    return this.#shadow.hasQueue(queue) || (!this.#context.queues().includes(queue) && epoch === this.#shadow.epoch)
  }

  get #unanswered(): number {
    const told =
      this.#streams.unseen +
      this.#shadow.streams.unseen +
      this.#completions.unseen +
      this.#channels.unanswered +
      (this.#context.works.vms?.unanswered ?? 0)
    return told + this.#moves.unanswered + this.#leases.pending
  }

  /** Sees to it that what was collected is sent at the end of this instant, and that what is unanswered will be repeated. */
  #finishStep(now: VirtualTime, out: Out): readonly Effect<NodeSays>[] {
    this.#fallback.serve(now, out)
    for (const said of this.#context.works.vms?.say() ?? [])
      out.push("kind" in said ? said : send(this.#hearerOf(said), said.body, said.span))
    if ((this.#streams.hasPending() || this.#shadow.streams.hasPending()) && !this.#flushing) {
      this.#flushing = true
      out.push(timer("send", now)) // sorts after the keys of CPUs: one message for all that happens at one instant
    }
    const waits = this.#unanswered > 0
    if (waits && !this.#retrying) out.push(timer("retry", this.#context.laterTicks(now, RETRY_TICKS)))
    if (!waits && this.#retrying) out.push(cancel("retry"))
    this.#retrying = waits
    return out
  }

  #hearerOf({ body, to }: VmSaying): ActorId {
    if (to !== undefined) return nodeActor(to)
    return body.kind === "BlockAsk" ? doorActor(this.#context.node) : HYPERVISOR
  }

  #flush(now: VirtualTime, out: Out): void {
    this.#flushing = false
    this.#streams.flush(now, out)
    this.#shadow.streams.flush(now, out)
  }

  #repeatAll(now: VirtualTime, out: Out): void {
    this.#retrying = false
    this.#streams.repeat(now, out)
    this.#shadow.streams.repeat(now, out)
    this.#moves.repeat(now, out)
    this.#leases.repeat(now, out)
    this.#channels.repeat(now, out)
    this.#completions.repeat(now, out)
    this.#context.works.vms?.repeat()
  }

  #onTaskRevoke(now: VirtualTime, revoke: TaskRevoke, out: Out): void {
    const task = this.#tasks.get(revoke.task)
    if (task === undefined || task.spec.attempt > revoke.attempt) return
    this.#dispatcher.drop(now, task, out)
    this.#leases.release(now, task, out)
  }

  #onAttach(from: ActorId, attach: SchedulerAttach, out: Out): void {
    const { epoch } = this.#context
    const { queue, generation } = attach
    const policy = this.#context.policyOf(queue)
    const known = !this.#context.isFallback && this.#context.queues().includes(queue)
    if (attach.epoch !== epoch || !known) return void out.push(send(from, this.#context.nodeUp(queue)))
    if (from !== schedulerActor(queue) || generation <= this.#streams.generationOf(queue)) return // a copy, or an earlier life
    this.#commits.forget(queue)
    this.#streams.open(queue, attach, this.#snapshot(queue))
    out.push(event("scheduler-attached", { "backplane.queue": queue, "backplane.epoch": epoch, "backplane.policy": policy }))
  }

  /** All that the scheduler of a queue needs to know, as events. */
  #snapshot(queue: QueueName): SchedulerEvent[] {
    const waiting = this.#tasks.all().filter((task) => task.queue === queue && task.state === "waiting")
    const cpus = this.#dispatcher.cpus.filter((cpu) => this.#context.queueOf(cpu.index) === queue)
    return [
      ...waiting.map((task): SchedulerEvent => {
        const reason = isFirstWait(task) ? "new" : "snapshot"
        return { type: "TASK_NEW", task: viewOf(task, this.#context.node, this.#dispatcher.isWarmOnLast(task)), reason }
      }),
      ...cpus.flatMap((cpu): SchedulerEvent[] => {
        if (cpu.state.kind === "running") return [runningOn(cpu.index, cpu.state.task)]
        return cpu.state.kind === "idle" ? [this.#dispatcher.idleEvent(cpu)] : []
      }),
    ]
  }

  /** Another policy takes over: what runs keeps its slice, what waits is dealt to the new queues, the old schedulers' word is void. */
  #onPolicySwap(now: VirtualTime, { epoch, policy, fallback, seats }: PolicySwap, out: Out): void {
    if (epoch > this.#context.epoch) {
      const before = this.#context.queues()
      this.#context.epoch = epoch
      this.#context.seats = seats ?? [ownSeat(asPolicy(policy))]
      this.#context.isFallback = fallback === true
      const { sliceTicks } = this.#context.spec.schedule
      this.#context.probationUntilTick = this.#context.ticks.tickAt(now) + PROBATION_SLICES * sliceTicks
      this.#watch.reset()
      this.#streams.closeAll()
      reassignQueues(this.#tasks.all(), this.#context)
      for (const task of this.#tasks.all()) task.queuedTick = this.#context.ticks.tickAt(now)
      for (const queue of before) this.#commits.forget(queue)
      out.push(noteSpan("sched.swap", { "backplane.policy": policy, "backplane.epoch": epoch, "backplane.node": this.#context.node }))
      out.push(event("policy-swapped", { "backplane.policy": policy, "backplane.epoch": epoch }, "info"))
      this.#sayNodeUp(now, out, before)
      if (fallback === true) this.#fallback.begin(now, out)
    }
    out.push(send(HYPERVISOR, { kind: "PolicySwapped", epoch: this.#context.epoch, node: this.#context.node }))
  }

  /** Tells the schedulers that are not attached (and those of `also`) how things stand; again and again until they attach. */
  #sayNodeUp(now: VirtualTime, out: Out, also: readonly QueueName[] = []): void {
    const { spec, isFallback } = this.#context
    const absent = isFallback ? [] : this.#context.queues().filter((queue) => !this.#streams.isAttached(queue))
    for (const queue of new Set([...absent, ...also])) out.push(send(schedulerActor(queue), this.#context.nodeUp(queue), RESTART_SPAN))
    this.#shadow.sayUp(out)
    // The timer goes on while all are attached: a stream may be closed later, and then the scheduler must hear of it.
    out.push(timer("node-up", this.#context.laterTicks(now, 2 * spec.schedule.sliceTicks)))
  }

  #onScheduleAsk({ cpu: index, from }: ScheduleAsk, out: Out): void {
    const cpu = this.#dispatcher.cpu(index)
    if (cpu === undefined) return
    const { segments, total } = cpu.segments(from, PAGE_MAX)
    const { busyTicks: busy, warmTicks: warm } = cpu
    out.push(send(HYPERVISOR, { kind: "SchedulePage", node: this.#context.node, cpu: index, from, segments, total, busy, warm }))
  }

  #report(now: VirtualTime, out: Out): void {
    const { node, incarnation, epoch } = this.#context
    const { dispatches, bypasses } = this.#dispatcher
    const idleCpus = this.#dispatcher.cpus.filter((cpu) => cpu.state.kind !== "running").length
    const tick = this.#context.ticks.tickAt(now)
    const holds = this.#tasks.all().map((task) => heldOf(task, this.#cpuLevels.isStranded(task)))
    this.#levels.tell(holds, out)
    out.push(send(HYPERVISOR, { kind: "NodeReport", node, incarnation, tick, epoch, holds, idleCpus, dispatches, bypasses }, RESTART_SPAN))
    out.push(timer("report", this.#context.laterTicks(now, REPORT_TICKS)))
  }

  /** For people and checkers: what lies here and what runs. Not part of the protocol. */
  inspect(): NodeInspection {
    const { node, incarnation, epoch, policy } = this.#context
    const { dispatches, bypasses, prefetched, cpus } = this.#dispatcher
    return {
      node,
      incarnation,
      epoch,
      policy,
      dispatches,
      bypasses,
      prefetched,
      cpus: cpus.map(inspectCpu),
      tasks: this.#tasks.all().map(inspectTask),
      leaving: this.#moves.leaving(),
      unanswered: this.#unanswered,
      vms: this.#context.works.vms?.inspect() ?? null,
    }
  }
}

function isOfPages(body: NodeHears): body is Extract<NodeHears, VmPages> {
  return body.kind.startsWith("Page")
}

function runningOn(cpu: number, { spec, taskSeq }: Task): SchedulerEvent {
  return { type: "CPU_RUNNING", cpu, task: spec.task, taskSeq }
}

function asPolicy(name: string): PolicyName {
  return POLICY_NAMES.find((policy) => policy === name) ?? "sqms"
}
