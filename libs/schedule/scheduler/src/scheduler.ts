/**
 * The scheduler machine: decides who runs next on the CPUs that its queue feeds. See README.md for messages and invariants.
 *
 * It holds claims, not truth: nodes may refuse any decision, and a scheduler that dies is rebuilt from the nodes' snapshots.
 */
import { closeSpan, noteSpan, openSpan, timer } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect, Input, Machine } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { unreachable } from "@backplane/foundation-base/assert"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { cpusOfNode, nodeOfCpu, type QueueName } from "@backplane/scenario-machine/topology"
import type { NodeUp, SchedulerEvent, SchedulerEvents, SchedulerVerdicts, Verdict } from "@backplane/schedule-contract/scheduler-messages"
import type { TaskView } from "@backplane/schedule-contract/task-view"
import { mayRun } from "@backplane/schedule-policies/policy"
import type { WastedCoresBug } from "@backplane/schedule-policies/domains/domains"
import type { QueuePolicyKind } from "@backplane/schedule-policies/queue-policy"
import { ChoicesAhead } from "./choices-ahead.ts"
import { chooseStealing } from "./choose-stealing.ts"
import { CpuClaims, type Run } from "./cpu-claims.ts"
import { CpuOrder } from "./cpu-order.ts"
import { Giving } from "./giving.ts"
import { groupNumbers, type Pick } from "./grouping.ts"
import { HANDOVER_TIMER } from "./handovers.ts"
import { KEEP_TIMER } from "./keeping.ts"
import { NO_STEALING } from "./no-stealing.ts"
import { ATTACH_SPAN, NodeLinks, pickSpan } from "./node-links.ts"
import { RunQueue } from "./run-queue.ts"
import { SchedulerContext, type Out, type SchedulerHears, type SchedulerSays } from "./scheduler-context.ts"
import { STEAL_TIMER, type StealHost, type Stealing } from "./stealing.ts"

/** What a scheduler shows of itself to people and checkers. */
export type SchedulerInspection = {
  readonly queue: QueueName
  readonly generation: number
  readonly epoch: number
  readonly policy: string
  readonly active: boolean
  /** Claims, oldest first. */
  readonly waiting: readonly string[]
  /** CPUs that it believes idle. */
  readonly idle: readonly number[]
  /** Tasks of decisions on their way. */
  readonly deciding: readonly string[]
  /** Tasks whose claims are being handed to other queues. */
  readonly handing: readonly string[]
}

export interface SchedulerConfig {
  readonly spec: MachineSpec
  readonly queue: QueueName
  readonly generation: number
  /** A bug on purpose, for those who look for it. */
  readonly planted?: WastedCoresBug
  /** A policy of one's own: it decides in every queue; those that ship only say which queues there are. */
  readonly own?: QueuePolicyKind
}

/** Refusals that say nothing of the task: its claim is still good. Where its affinity has changed, the view that is held is the new one. */
const KEPT_CLAIMS: readonly Verdict[] = ["CPU_BUSY", "BAD_SLICE", "GROUP_ABORTED", "CPU_OFFLINE", "AFFINITY"]
/** Refusals after which the CPU is not idle. */
const BUSY_CPUS: readonly Verdict[] = ["CPU_BUSY", "CPU_OFFLINE", "ALREADY_ON_CPU"]

export class SchedulerMachine implements Machine<SchedulerHears, SchedulerSays> {
  readonly #context: SchedulerContext
  readonly #queue: RunQueue
  readonly #claims = new CpuClaims()
  readonly #links: NodeLinks
  #stealing: Stealing = NO_STEALING
  readonly #giving: Giving
  readonly #order: CpuOrder
  readonly #ahead: ChoicesAhead
  #deciding = false
  /** Tasks that woke in this instant: a busy CPU may have to give way to them. */
  #woken: string[] = []
  /** Groups numbered so far. */
  #groups = 0

  constructor({ spec, queue, generation, planted, own }: SchedulerConfig) {
    this.#context = new SchedulerContext(spec, queue, generation, { planted, own })
    this.#queue = new RunQueue(this.#context.newQueue())
    this.#links = new NodeLinks(this.#context)
    this.#giving = new Giving({ context: this.#context, queue: this.#queue, links: this.#links, running: () => this.#claims.given() })
    this.#order = new CpuOrder(this.#context)
    this.#ahead = new ChoicesAhead({ context: this.#context, queue: this.#queue, claims: this.#claims, links: this.#links })
  }

  start(now: VirtualTime): readonly Effect<SchedulerSays>[] {
    const out: Out = []
    this.#begin(now, out)
    return out
  }

  /** Takes up the queue under the policy of the day. */
  #begin(now: VirtualTime, out: Out): void {
    this.#stealing = this.#chooseStealing()
    if (!this.#context.active) return
    const { generation, queue, policyName, epoch } = this.#context
    if (generation > 1)
      out.push(
        openSpan(
          ATTACH_SPAN,
          "actor.restart",
          { "backplane.queue": queue, "backplane.policy": policyName, "backplane.epoch": epoch },
          { root: true },
        ),
      )
    this.#attach(now, out)
    this.#stealing.begin(now, out)
  }

  #chooseStealing(): Stealing {
    const host: StealHost = {
      queueLength: () => this.#queue.length,
      isOnline: (cpu) => this.#claims.isOnline(cpu),
      decideSoon: (now, out) => this.#decideSoon(now, out),
    }
    return chooseStealing(this.#context, host)
  }

  step(now: VirtualTime, input: Input<SchedulerHears>): readonly Effect<SchedulerSays>[] {
    const out: Out = []
    if (input.kind === "message") this.#onMessage(now, input.from, input.body, out)
    else if (input.kind === "timer") this.#onTimer(now, input.key, out)
    return out
  }

  #onMessage(now: VirtualTime, from: ActorId, body: SchedulerHears, out: Out): void {
    if (body.epoch < this.#context.epoch) return // said under a policy that is over
    switch (body.kind) {
      case "NodeUp":
        return this.#onNodeUp(now, body, out)
      case "SchedulerEvents":
        return this.#onEvents(now, body, out)
      case "SchedulerVerdicts":
        return this.#onVerdicts(now, body, out)
      default:
        return this.#onPeer(now, from, body, out)
    }
  }

  /** Other schedulers. One that goes by a later policy than we is not answered: our claims are void, and it asks again. */
  #onPeer(now: VirtualTime, from: ActorId, body: Exclude<SchedulerHears, NodeUp | SchedulerEvents | SchedulerVerdicts>, out: Out): void {
    if (body.epoch > this.#context.epoch) return this.#links.introduceAll(out)
    switch (body.kind) {
      case "StealAsk":
        return this.#giving.onStealAsk(now, body, out)
      case "OfferAsk":
        return this.#giving.onOfferAsk(now, body, out)
      case "StealNone":
      case "OfferAnswer":
      case "StealToken":
      case "StealDone":
        return this.#stealing.onReply(now, from, body, out)
      default:
        return unreachable(body)
    }
  }

  #onTimer(now: VirtualTime, key: string, out: Out): void {
    if (key === "attach") this.#attach(now, out)
    else if (key === "decide") this.#decide(now, out)
    else if (key.startsWith(KEEP_TIMER)) this.#ahead.onKeepTimer(key, out)
    else if (key === HANDOVER_TIMER) this.#giving.repeat(now, out)
    else if (key.startsWith(STEAL_TIMER) && this.#context.active) this.#stealing.onTimer(now, key, out)
  }

  #attach(now: VirtualTime, out: Out): void {
    const again = this.#context.active ? this.#links.attach(now, out) : null
    if (again !== null) out.push(timer("attach", again.at))
  }

  #onNodeUp(now: VirtualTime, up: NodeUp, out: Out): void {
    if (up.epoch > this.#context.epoch) {
      this.#context.adopt(up)
      this.#links.reset()
      this.#claims.forget()
      this.#queue.beginAnew(this.#context.newQueue())
      this.#giving.forgetAll()
      this.#ahead.forget()
      this.#woken = []
      return this.#begin(now, out)
    }
    const link = this.#links.link(up.node)
    if (link === undefined || !this.#context.active || up.incarnation < link.incarnation) return
    // The node does not know us: it has a new life, or gave up our stream. (Before our first snapshot the attach is on its way.)
    if (link.incarnation > 0) this.#forgetNode(now, up.node)
    this.#attach(now, out)
  }

  #forgetNode(now: VirtualTime, node: number): void {
    this.#links.reset(node)
    this.#giving.forgetNode(node)
    this.#queue.removeIf((task) => task.node === node)
    const unused = this.#claims.forget(this.#cpusOn(node))
    for (const task of unused) if (task.node !== node) this.#putBack(now, task)
  }

  #onEvents(now: VirtualTime, message: SchedulerEvents, out: Out): void {
    // We have a new life and the policy changed during the last one: the node refuses the question, and tells how things stand.
    if (message.epoch > this.#context.epoch) return this.#links.introduce(message.node, out)
    const order = this.#links.accept(message)
    if (order === "stale" || order === "gap") return
    if (order === "reborn") {
      this.#forgetNode(now, message.node)
      return this.#attach(now, out)
    }
    out.push(
      openSpan(pickSpan(message.node), "sched.pick", {
        "backplane.queue": this.#context.queue,
        "backplane.policy": this.#context.policyName,
      }),
    )
    if (order === "fresh") {
      this.#queue.removeIf((task) => task.node === message.node)
      out.push(noteSpan("sched.attach", { "backplane.queue": this.#context.queue, "backplane.node": message.node }))
      if (this.#links.all.every((link) => link.incarnation > 0)) out.push(closeSpan(ATTACH_SPAN))
    }
    if (order === "copy") this.#sayAgain(message.node)
    else for (const event of message.events) this.#onEvent(now, event, out)
    this.#decideSoon(now, out)
  }

  /** The node repeats itself: our last commit may be lost, and the decisions in it. */
  #sayAgain(node: number): void {
    for (const run of this.#claims.sentTo(this.#cpusOn(node))) this.#links.decide(node, run)
  }

  #cpusOn(node: number): ReadonlySet<number> {
    const { from, to } = cpusOfNode(this.#context.spec.topology, node)
    return new Set(Array.from({ length: to - from }, (_, index) => from + index))
  }

  #onEvent(now: VirtualTime, event: SchedulerEvent, out: Out): void {
    switch (event.type) {
      case "TASK_NEW":
        if (event.reason === "new" && now < this.#context.ticks.start(0)) this.#queue.enqueueEarly(event.task)
        else this.#queue.enqueue(event.task, this.#tick(now), event.reason === "steal" ? "steal" : "new")
        if (event.stealId !== undefined) this.#stealing.onArrival(now, event.stealId, out)
        return
      case "TASK_PREEMPTED":
        return this.#onStopped(now, event, event.reason === "preempt" || event.reason === "kick" ? "preempt" : "slice")
      case "TASK_YIELD":
        this.#onStopped(now, event, "yield")
        return event.to === undefined ? undefined : this.#queue.favour(event.to, this.#tick(now))
      case "TASK_BLOCKED":
        this.#putBack(now, ...this.#claims.onRunning(event.cpu, event.task))
        this.#claims.onGone(event.task, event.taskSeq)
        return this.#queue.block(event.task, event, this.#tick(now))
      case "TASK_WAKEUP":
        this.#queue.enqueue(event.task, this.#tick(now), "wake")
        return this.#onWoken(now, event, out)
      case "TASK_DEAD":
        this.#putBack(now, ...this.#claims.onRunning(event.cpu, event.task))
        this.#claims.onGone(event.task, event.taskSeq)
        return this.#queue.remove(event.task, event.taskSeq)
      case "CPU_RUNNING": {
        const isOurs = this.#claims.isSent(event.cpu, event.task)
        this.#putBack(now, ...this.#claims.onRunning(event.cpu, event.task))
        this.#claims.onGone(event.task, event.taskSeq)
        // What we chose runs, and has its account; what the CPU took by itself is begun anew when it comes back.
        if (!isOurs || this.#queue.find(event.task) !== undefined) this.#queue.remove(event.task, event.taskSeq)
        return
      }
      case "TASK_GONE":
        this.#claims.onGone(event.task, event.taskSeq)
        return this.#queue.remove(event.task, event.taskSeq)
      case "CPU_IDLE": {
        const { again, unused } = this.#claims.onIdle(event.cpu, event.idleSeq)
        this.#queue.note({ cpu: event.cpu, hot: event.hot ?? [], space: event.space ?? null })
        if (again !== undefined) this.#links.decide(nodeOfCpu(this.#context.spec.topology, event.cpu), again)
        return this.#putBack(now, ...unused)
      }
      case "CPU_OFFLINE":
        return this.#putBack(now, ...this.#claims.onOffline(event.cpu))
      case "TASK_AFFINITY":
      case "TASK_WEIGHT":
      case "TASK_HINT":
        return this.#onTuned(now, event)
      case "CPU_ONLINE": // CPU_IDLE follows
      case "CPU_TICK":
      case "CACHE_REPORT":
      case "POWER":
      case "TIMER":
      case "SYNC":
        return
      default:
        return unreachable(event)
    }
  }

  /** Of a task that waits the claim is on the new view; the next view of any other tells. A decision on its way may be refused for it. */
  #onTuned(now: VirtualTime, { task, state }: Extract<SchedulerEvent, { type: "TASK_AFFINITY" | "TASK_WEIGHT" | "TASK_HINT" }>): void {
    this.#claims.onTuned(task)
    if (state === "waiting" && this.#queue.find(task.task) !== undefined) this.#queue.enqueue(task, this.#tick(now), "refused")
  }

  /** A run ended and the task waits again. */
  #onStopped(
    now: VirtualTime,
    { task, cpu, ranTicks }: { readonly task: TaskView; readonly cpu: number; readonly ranTicks: number },
    why: "slice" | "yield" | "preempt",
  ): void {
    this.#putBack(now, ...this.#claims.onRunning(cpu, task.task))
    this.#queue.charge(task.task, { ranTicks, why }, this.#tick(now))
    this.#queue.enqueue(task, this.#tick(now), why)
  }

  /** Where a policy moves work at all, a task that wakes goes to an idle CPU of its node rather than wait for its own. */
  #onWoken(now: VirtualTime, { task, idleCpus }: Extract<SchedulerEvent, { type: "TASK_WAKEUP" }>, out: Out): void {
    const { policy, cpus } = this.#context
    const isMover = policy.layout === "cpu" && (policy.steal === "offers" || policy.steal === "domains")
    const mayMove = isMover && !idleCpus.some((cpu) => cpus.includes(cpu))
    const cpu = mayMove ? idleCpus[0] : undefined
    if (cpu !== undefined) this.#giving.handOn(now, { task, to: this.#context.queueOf(cpu) }, out)
    else this.#woken.push(task.task)
  }

  #putBack(now: VirtualTime, ...tasks: readonly TaskView[]): void {
    for (const task of tasks) this.#queue.putBack(task, this.#tick(now))
  }

  #tick(now: VirtualTime): number {
    return this.#context.ticks.tickAt(now)
  }

  /** Refused decisions: a claim that is still good goes back to the head of the queue, any other is dropped (an event tells the rest). */
  #onVerdicts(now: VirtualTime, message: SchedulerVerdicts, out: Out): void {
    if (message.generation !== this.#links.link(message.node)?.generation) return
    const decisions = this.#links.takeSent(message.node, message.commit, out)
    for (const [index, verdict] of message.verdicts.entries()) {
      const decision = decisions[index]
      if (decision === undefined) continue
      if (decision.type === "REQUEUE") this.#giving.onJudged(decision, verdict, out)
      else if (decision.type === "RUN" && verdict !== "OK" && verdict !== "DUPLICATE") this.#onRefusedRun(now, decision, verdict)
    }
    if (message.verdicts.some((verdict) => verdict !== "OK")) this.#decideSoon(now, out)
  }

  #onRefusedRun(now: VirtualTime, run: Run, verdict: Verdict): void {
    const task = this.#claims.refused(run)
    if (task === null) return
    if (KEPT_CLAIMS.includes(verdict)) this.#putBack(now, task)
    else if (this.#queue.find(run.task) === undefined) this.#queue.forget(run.task)
    if (!BUSY_CPUS.includes(verdict) && run.preempt !== true && run.next !== true) this.#claims.setIdle(run.cpu)
  }

  /** Decisions wait for all that happens at this instant: the timer comes after the instant's messages. */
  #decideSoon(now: VirtualTime, out: Out): void {
    if (this.#deciding) return
    this.#deciding = true
    out.push(timer("decide", now))
  }

  #decide(now: VirtualTime, out: Out): void {
    this.#deciding = false
    if (!this.#context.active) return
    if (!this.#stealing.mayDecide(now, out)) return
    const tick = this.#tick(now)
    const idle = this.#order.of(this.#claims.idleCpus(), tick)
    if (idle.length > 0) this.#queue.offer(idle, tick)
    const picks = idle.flatMap((cpu): Pick[] => {
      const task = this.#queue.pick(cpu, tick) ?? this.#claims.takeBackFor((next) => mayRun(next, cpu))
      return task === undefined ? [] : [{ cpu, task }]
    })
    const nodeOf = (cpu: number): number => nodeOfCpu(this.#context.spec.topology, cpu)
    const groups = groupNumbers(picks, { groupOf: (task) => this.#queue.groupOf(task), nodeOf, first: this.#groups + 1 })
    this.#groups = Math.max(this.#groups, ...groups.values())
    for (const pick of picks) this.#run(now, { ...pick, group: groups.get(pick) })
    this.#preemptForWoken(now, tick, out)
    this.#ahead.decide(now, tick, out)
    // A policy that holds a CPU back may think better of it by time alone.
    const isHeldBack = this.#context.policy.leavesIdle !== undefined && this.#queue.length > 0 && this.#claims.idleCpus().length > 0
    if (isHeldBack) out.push(timer("decide", this.#context.laterTicks(now, 1)))
    this.#links.flush(out)
    this.#stealing.afterDecide(now, this.#claims.idleCpus(), out)
  }

  /** Who woke and still waits may be worth more than what a CPU runs. */
  #preemptForWoken(now: VirtualTime, tick: number, out: Out): void {
    const woken = this.#woken
    this.#woken = []
    for (const name of woken) {
      if (this.#sendToAsker(now, name, out)) continue
      const cpu = this.#queue.preempts(name, tick)
      if (cpu === undefined || !this.#claims.mayPreempt(cpu)) continue
      const task = this.#queue.pick(cpu, tick)
      if (task !== undefined) this.#run(now, { cpu, task, preempt: true })
    }
  }

  /** Nodes tell of their own idle CPUs only. Those of other nodes have asked for work: who woke and still waits goes there. */
  #sendToAsker(now: VirtualTime, name: string, out: Out): boolean {
    const { policy, planted } = this.#context
    const task = policy.steal === "domains" && planted !== "overload-on-wakeup" ? this.#queue.find(name) : undefined
    const cpu = task === undefined ? undefined : this.#giving.takeAsker(now, task)
    if (task === undefined || cpu === undefined) return false
    this.#giving.handOn(now, { task, to: this.#context.queueOf(cpu) }, out)
    return true
  }

  #run(now: VirtualTime, { cpu, task, preempt, group }: Pick & { readonly preempt?: true; readonly group?: number | undefined }): void {
    const speed = this.#queue.speedIndex(task.task, cpu, this.#tick(now))
    const run: Run = {
      type: "RUN",
      cpu,
      task: task.task,
      taskSeq: task.taskSeq,
      at: task.node,
      until: this.#context.sliceEnd(now, this.#queue.sliceTicks(task.task)),
      idleSeq: this.#claims.idleSeq(cpu),
      ...(preempt && { preempt }),
      ...(group !== undefined && { group }),
      ...(speed > 0 && { speed }),
    }
    this.#claims.sent(run, task)
    this.#links.decide(nodeOfCpu(this.#context.spec.topology, cpu), run)
  }

  /** For people and checkers. Not part of the protocol. */
  inspect(): SchedulerInspection {
    const { queue, generation, epoch, policyName, active } = this.#context
    return {
      queue,
      generation,
      epoch,
      policy: policyName,
      active,
      waiting: this.#queue.waiting.map((task) => task.task),
      idle: [...this.#claims.idleCpus()],
      deciding: this.#claims.onTheirWay(),
      handing: this.#giving.tasks(),
    }
  }
}
