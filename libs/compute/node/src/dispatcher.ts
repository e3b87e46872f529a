/**
 * The dispatcher: puts tasks on CPUs and takes them off. It holds the truth; schedulers only propose.
 *
 * Not here: which task is best (the scheduler's), how decisions are judged (commits.ts), how a task comes from another node (moves.ts).
 */
import { cancel, closeSpan, event, noteSpan, openSpan, timer } from "@backplane/foundation-actor/effects"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { assert, defined } from "@backplane/foundation-base/assert"
import type { ChannelLevel, SliceOutcome, SlicePause, Spin } from "@backplane/compute-contract/task-engine"
import { powerKindOf } from "@backplane/scenario-machine/power-spec"
import type { SchedulerEvent } from "@backplane/schedule-contract/scheduler-messages"
import { Cores } from "./cores.ts"
import type { Cpu, Left } from "./cpu.ts"
import type { EventStreams } from "./event-streams.ts"
import type { NodeContext, Out } from "./node-context.ts"
import { hasDepth, wakeTicksOf, wattsOf } from "./power.ts"
import { mayRunOn, viewOf, type Task, type TaskTable } from "./task-table.ts"

/** What others have to do when a task stops running. */
export interface DispatchHooks {
  /** It has ended here. */
  readonly onFinished: (now: VirtualTime, task: Task, endTick: number, out: Out) => void
  /** It cannot go on. */
  readonly onBlocked: (now: VirtualTime, task: Task, pause: Extract<SlicePause, { kind: "blocked" }>, out: Out) => void
  /** After every run, when what became of the task is noted: it may have woken others. */
  readonly onRan: (now: VirtualTime, task: Task, outcome: SliceOutcome, out: Out) => void
  readonly isReached: (awaits: ChannelLevel) => boolean
  /** A task was put on a CPU, by whomever. */
  readonly onDispatched: (now: VirtualTime, cpu: number, task: Task, untilTick: number) => void
  /** A CPU has been idle for a slice, and its queue has nothing for it. */
  readonly onNoWork: (now: VirtualTime, cpu: Cpu, out: Out) => void
  /** A CPU took a task without its scheduler. */
  readonly onBypass: (now: VirtualTime, queue: string, task: Task) => void
}

/** Warm tasks that an idle CPU names. */
const HOT_MAX = 64

type LeaveReason = "slice" | "preempt" | "kick"

export class Dispatcher {
  readonly #context: NodeContext
  readonly #tasks: TaskTable
  readonly #streams: EventStreams
  readonly #hooks: DispatchHooks
  readonly #cores: Cores
  readonly #cpus: ReadonlyMap<number, Cpu>
  /** The first tick has begun: CPUs that are not off line work. */
  #hasBegun = false
  /** Tasks put on a CPU, ever; and those among them that no scheduler had chosen. */
  dispatches = 0
  bypasses = 0
  /** Those that were chosen before the CPU was free. */
  prefetched = 0

  constructor(parts: {
    readonly context: NodeContext
    readonly tasks: TaskTable
    readonly streams: EventStreams
    readonly hooks: DispatchHooks
  }) {
    this.#context = parts.context
    this.#tasks = parts.tasks
    this.#streams = parts.streams
    this.#hooks = parts.hooks
    this.#cores = new Cores(parts.context)
    this.#cpus = new Map(this.#cores.cpus.map((cpu) => [cpu.index, cpu]))
  }

  get cpus(): readonly Cpu[] {
    return [...this.#cpus.values()]
  }

  cpu(index: number): Cpu | undefined {
    return this.#cpus.get(index)
  }

  isWarmOnLast(task: Task): boolean {
    return task.lastCpu !== null && (this.#cpus.get(task.lastCpu)?.isWarmFor(task.spec) ?? false)
  }

  /** The first tick begins: the CPUs come on line. */
  online(now: VirtualTime, out: Out): void {
    this.#hasBegun = true
    for (const cpu of this.#cpus.values()) if (cpu.state.kind === "offline") this.makeIdle(now, cpu, out)
  }

  /** The CPU goes: what runs there waits again. A task that is on its way to it is taken in first (`makeIdle`). */
  takeOffline(now: VirtualTime, cpu: Cpu, out: Out): void {
    if (cpu.state.kind === "offline" || cpu.state.kind === "fetching") return
    const tick = this.#context.ticks.tickAt(now)
    const left = cpu.state.kind === "running" ? cpu.stop(tick) : null
    if (left !== null) this.#settle(now, { cpu, left, reason: "kick" }, out)
    this.#leaveLine(cpu, out)
  }

  #leaveLine(cpu: Cpu, out: Out): void {
    cpu.goOffline()
    const { topology } = this.#context
    out.push(closeSpan(decideSpan(cpu), {}, "the CPU goes off line"), cancel(idleTimer(cpu.index)))
    out.push(event("cpu-offline", { "backplane.cpu": cpu.index, "backplane.node": this.#context.node }, "info"))
    this.#notePower(cpu, out)
    this.#streams.add(this.#context.queueOf(cpu.index), { type: "CPU_OFFLINE", cpu: cpu.index, topology })
  }

  bringOnline(now: VirtualTime, cpu: Cpu, out: Out): void {
    if (cpu.state.kind !== "offline" || !this.#hasBegun) return
    const { topology } = this.#context
    out.push(event("cpu-online", { "backplane.cpu": cpu.index, "backplane.node": this.#context.node }, "info"))
    this.#streams.add(this.#context.queueOf(cpu.index), { type: "CPU_ONLINE", cpu: cpu.index, topology })
    this.makeIdle(now, cpu, out)
  }

  /** The CPU asks for work: the start of a scheduling decision, and of its trace. */
  makeIdle(now: VirtualTime, cpu: Cpu, out: Out): void {
    if (!this.#context.isOnline(cpu.index)) return this.#leaveLine(cpu, out)
    cpu.becomeIdle(this.#context.ticks.tickAt(now))
    this.#askForWork(now, cpu, out)
  }

  #askForWork(now: VirtualTime, cpu: Cpu, out: Out): void {
    const queue = this.#context.queueOf(cpu.index)
    const span = decideSpan(cpu)
    this.#notePower(cpu, out)
    cpu.idleAt ??= now
    cpu.askedTick = this.#context.ticks.tickAt(now)
    out.push(openSpan(span, "sched.decide", { "backplane.cpu": cpu.index, "backplane.queue": queue }, { root: true }))
    out.push(timer(idleTimer(cpu.index), this.#context.laterTicks(now, this.#context.spec.schedule.sliceTicks)))
    this.#streams.add(queue, this.idleEvent(cpu), span)
  }

  /** Waiting tasks of the CPU's queue whose working sets are in its cache. */
  hotOn(index: number): string[] {
    const cpu = defined(this.#cpus.get(index), "the CPU is ours")
    const queue = this.#context.queueOf(index)
    const isHot = ({ state, queue: own, spec }: Task): boolean => state === "waiting" && own === queue && cpu.isWarmFor(spec)
    if (cpu.isCold) return []
    const hot = this.#tasks.all().filter(isHot)
    return hot.slice(0, HOT_MAX).map(({ spec }) => spec.task)
  }

  /** What a scheduler is told of an idle CPU. */
  idleEvent(cpu: Cpu): Extract<SchedulerEvent, { type: "CPU_IDLE" }> {
    const hot = this.hotOn(cpu.index)
    return {
      type: "CPU_IDLE",
      cpu: cpu.index,
      idleSeq: cpu.idleSeq,
      ...(hot.length > 0 && { hot }),
      ...(cpu.lastSpace !== undefined && { space: cpu.lastSpace }),
    }
  }

  /** Puts a waiting task that lies here on an idle (or reserved) CPU. */
  dispatch(now: VirtualTime, run: { readonly cpu: Cpu; readonly task: Task; readonly untilTick: number }, out: Out): void {
    const { cpu, task, untilTick } = run
    assert(task.state === "waiting", "only a waiting task is dispatched")
    assert(mayRunOn(task.spec.affinity, cpu.index), "a task runs only where it may")
    assert(this.#context.isOnline(cpu.index), "a task runs on a CPU that is on line")
    const tick = this.#context.ticks.tickAt(now)
    const from = task.lastCpu
    const queued = tick - task.sinceTick
    const wait = cpu.state.kind === "idle" || cpu.state.kind === "fetching" ? tick - cpu.state.sinceTick : 0
    // Both were there, and waited for the decision.
    if (cpu.idleAt !== null) cpu.lostCycles += now - Math.max(cpu.idleAt, Math.min(now, this.#context.ticks.start(task.sinceTick)))
    cpu.idleAt = null
    this.#tasks.setState(task, "running", tick)
    task.cpu = cpu.index
    task.lastCpu = cpu.index
    if (task.spin !== null && this.#hooks.isReached(task.spin)) task.spin = null
    const waking = wait === 0 ? 0 : wakeTicksOf(this.#context.spec, cpu)
    const slice = { fromTick: tick + waking, untilTick: Math.max(untilTick, tick + waking + 1) }
    const { endTick } = cpu.enter(task, slice, this.#cores.conditions(cpu, task, task.spin !== null))
    this.dispatches++
    const where = { "backplane.task": task.spec.task, "backplane.cpu": cpu.index, "backplane.node": this.#context.node }
    out.push(noteSpan("sched.dispatch", where))
    const length = this.#tasks.waitingIn(task.queue)
    const policy = this.#context.policyOf(this.#context.queueOf(cpu.index))
    out.push(
      event("dispatch", {
        ...where,
        "backplane.policy": policy,
        "backplane.wait": wait,
        "backplane.queued": queued,
        "backplane.length": length,
        ...(waking > 0 && { "backplane.waking": waking }),
      }),
    )
    if (from !== null && from !== cpu.index) this.#noteMigration(task, { from, to: cpu.index }, out)
    out.push(closeSpan(decideSpan(cpu), { "backplane.task": task.spec.task }), closeSpan(wakeSpan(task.spec.task)))
    this.#endAt(cpu, endTick, out)
    this.#notePower(cpu, out)
    this.#replanSiblings(now, cpu, out)
    this.#hooks.onDispatched(now, cpu.index, task, slice.untilTick)
  }

  /** What runs goes on until then. */
  keep(now: VirtualTime, cpu: Cpu, untilTick: number, out: Out): void {
    if (cpu.state.kind === "running") this.#replan(now, cpu, out, untilTick)
  }

  /** The idle CPU goes to sleep so deep. False: there is no such depth. */
  sleep(cpu: Cpu, depth: number, out: Out): boolean {
    if (!hasDepth(this.#context.spec, cpu, depth)) return false
    cpu.idleDepth = depth
    this.#notePower(cpu, out)
    return true
  }

  hasSpeed(cpu: Cpu, index: number): boolean {
    return index < powerKindOf(this.#context.spec.power, cpu.index).speeds.length
  }

  /** What the CPU draws from now on, where that is another than before. */
  #notePower(cpu: Cpu, out: Out): void {
    const watts = wattsOf(this.#context.spec, cpu)
    if (watts === cpu.watts) return
    cpu.watts = watts
    const queue = this.#context.queueOf(cpu.index)
    const { speedIndex: speed, idleDepth: depth } = cpu
    if (this.#streams.abilityOf(queue).wants.includes("POWER"))
      this.#streams.add(queue, { type: "POWER", cpu: cpu.index, watts, speed, depth })
    out.push(event("power", { "backplane.cpu": cpu.index, "backplane.node": this.#context.node, "backplane.watts": watts }))
  }

  #endAt(cpu: Cpu, endTick: number, out: Out): void {
    out.push(timer(cpuTimer(cpu.index), this.#context.ticks.start(endTick)))
  }

  /** Something was put on a thread of their core or taken off, or its cache has changed: they go on at another speed. */
  #replanSiblings(now: VirtualTime, cpu: Cpu, out: Out): void {
    for (const sibling of this.#cores.busySiblings(cpu)) this.#replan(now, sibling, out)
  }

  #replan(now: VirtualTime, cpu: Cpu, out: Out, newUntilTick?: number): void {
    const tick = this.#context.ticks.tickAt(now)
    if (cpu.state.kind !== "running" || cpu.state.endTick <= tick) return // its own timer comes in this instant
    const { task, fromTick, untilTick, spins } = cpu.state
    cpu.settle(tick)
    const slice = { fromTick: Math.max(tick, fromTick), untilTick: newUntilTick ?? untilTick }
    this.#endAt(cpu, cpu.goOn(task, slice, this.#cores.conditions(cpu, task, spins && task.spin !== null)).endTick, out)
  }

  /** Channels have risen: who waited for that without sleeping goes on. */
  endSpins(now: VirtualTime, out: Out): void {
    for (const cpu of this.#cores.cpus) {
      if (cpu.state.kind !== "running" || cpu.state.task.spin === null || !this.#hooks.isReached(cpu.state.task.spin)) continue
      cpu.state.task.spin = null
      this.#replan(now, cpu, out)
      this.#replanSiblings(now, cpu, out)
    }
  }

  #noteMigration(task: Task, move: { readonly from: number; readonly to: number }, out: Out): void {
    task.migrations++
    const attributes = { "backplane.task": task.spec.task, "backplane.from": `cpu ${move.from}`, "backplane.to": `cpu ${move.to}` }
    const key = `migrate/${task.spec.task}`
    // A move between CPUs of one node costs no message, but is as much a migration: its span begins and ends here.
    if (this.#cpus.has(move.from)) out.push(openSpan(key, "migrate", attributes))
    out.push(closeSpan(key, attributes))
    out.push(event("migrate", attributes))
  }

  /** The slice is over, or the work is, or the task pauses. */
  onCpuTimer(now: VirtualTime, index: number, out: Out): void {
    const cpu = defined(this.#cpus.get(index), "the timer's CPU is ours")
    if (cpu.state.kind !== "running") return
    const tick = this.#context.ticks.tickAt(now)
    // It has looked for what it waits for, in vain, and is one that gives way then.
    const to = cpu.state.spins ? cpu.state.task.spin?.to : undefined
    const stopped = cpu.stop(tick)
    const left = to === undefined ? stopped : { ...stopped, outcome: { ...stopped.outcome, pause: { kind: "yield", to } as const } }
    const { task, outcome, untilTick } = left
    if (this.#goesOn(outcome) && tick < untilTick) {
      task.spin = spinOf(this.#pauseOf(outcome)) ?? task.spin
      const { endTick } = cpu.goOn(task, { fromTick: tick, untilTick }, this.#cores.conditions(cpu, task, task.spin !== null))
      this.#endAt(cpu, endTick, out)
      this.#replanSiblings(now, cpu, out)
      return this.#hooks.onRan(now, task, outcome, out)
    }
    const next = this.#nextOf(cpu)
    if (next !== null) return this.#takeNext(now, cpu, left, next, out)
    cpu.becomeIdle(tick)
    this.#settle(now, { cpu, left, reason: "slice" }, out)
    this.#askForWork(now, cpu, out)
  }

  /** The pre-fetched choice, where all of it still holds: the stream that it was said on, the task's state, where it may run. */
  #nextOf({ index, next }: Cpu): { readonly task: Task; readonly ticks: number } | null {
    const queue = this.#context.queueOf(index)
    if (next === null || this.#context.isFallback || next.generation !== this.#streams.generationOf(queue)) return null
    const task = this.#tasks.get(next.task)
    if (task?.state !== "waiting" || task.taskSeq !== next.taskSeq || task.queue !== queue) return null
    return mayRunOn(task.spec.affinity, index) ? { task, ticks: next.ticks } : null
  }

  /** The CPU goes on at once: no idle period begins, and nobody is asked. */
  #takeNext(now: VirtualTime, cpu: Cpu, left: Left, next: { readonly task: Task; readonly ticks: number }, out: Out): void {
    const { task, ticks } = next
    cpu.next = null
    this.prefetched++
    this.#settle(now, { cpu, left, reason: "slice" }, out)
    this.#streams.add(task.queue, { type: "CPU_RUNNING", cpu: cpu.index, task: task.spec.task, taskSeq: task.taskSeq })
    this.dispatch(now, { cpu, task, untilTick: this.#context.ticks.tickAt(now) + ticks }, out)
  }

  /** It keeps its CPU for the rest of its slice: it only had something to say, waits without sleeping, or has warmed up. */
  #goesOn(outcome: SliceOutcome): boolean {
    if (outcome.finished) return false
    const pause = this.#pauseOf(outcome)
    return pause === undefined || pause.kind === "step" || spinOf(pause) !== null
  }

  /** Takes off what runs there, because something else is to run. The caller sees to it that something does. */
  preempt(now: VirtualTime, cpu: Cpu, out: Out): void {
    this.#settle(now, { cpu, left: cpu.stop(this.#context.ticks.tickAt(now)), reason: "preempt" }, out)
  }

  /** Takes off what runs there; the CPU asks for work anew. */
  kick(now: VirtualTime, cpu: Cpu, out: Out): void {
    this.#settle(now, { cpu, left: cpu.leave(this.#context.ticks.tickAt(now)), reason: "kick" }, out)
    this.#askForWork(now, cpu, out)
  }

  /** A task that waits for a level that is there already does not wait. */
  #pauseOf({ pause }: SliceOutcome): SlicePause | undefined {
    const awaits = pause?.kind === "blocked" ? pause.awaits : undefined
    return awaits !== undefined && this.#hooks.isReached(awaits) ? { kind: "step" } : pause
  }

  /** What became of a task that has left its CPU. */
  #settle(
    now: VirtualTime,
    { cpu: its, left, reason }: { readonly cpu: Cpu; readonly left: Left; readonly reason: LeaveReason },
    out: Out,
  ): void {
    const { task, outcome, endTick, ranTicks, warmTicks } = left
    const cpu = its.index
    const { node } = this.#context
    const queue = this.#context.queueOf(cpu)
    const policy = this.#context.policyOf(queue)
    const where = { "backplane.task": task.spec.task, "backplane.cpu": cpu }
    out.push(event("slice", { ...where, "backplane.policy": policy, "backplane.ran": ranTicks, "backplane.warm": warmTicks }))
    const pause = this.#pauseOf(outcome)
    const spin = spinOf(pause)
    if (spin !== null) task.spin = spin
    task.queue = queue
    if (outcome.finished) {
      this.#tasks.remove(task)
      this.#streams.add(queue, { type: "TASK_DEAD", task: task.spec.task, taskSeq: task.taskSeq, cpu })
      this.#hooks.onFinished(now, task, endTick, out)
    } else if (pause?.kind === "blocked" && spin === null) {
      this.#hooks.onBlocked(now, task, pause, out)
      this.#streams.add(queue, { type: "TASK_BLOCKED", task: task.spec.task, taskSeq: task.taskSeq, cpu, ranTicks })
      out.push(event("task-blocked", where))
    } else {
      this.#tasks.setState(task, "waiting", endTick)
      const view = viewOf(task, node, its.isWarmFor(task.spec))
      const isYield = pause?.kind === "yield"
      const to = isYield && pause.to !== undefined ? { to: pause.to } : {}
      if (isYield) this.#streams.add(queue, { type: "TASK_YIELD", task: view, cpu, ranTicks, ...to })
      else this.#streams.add(queue, { type: "TASK_PREEMPTED", task: view, cpu, reason, ranTicks })
      out.push(event("preempt", { ...where, "backplane.reason": isYield ? "yield" : reason }))
    }
    this.#replanSiblings(now, its, out)
    this.#hooks.onRan(now, task, outcome, out)
  }

  /**
   * An idle CPU has waited a slice. If its scheduler has had a claim on work for it as long, the scheduler is not doing its part, and
   * this CPU alone takes the oldest (the first rung of the ladder of fallback). Otherwise the question is asked again: it may have been
   * lost. What counts is how long the claim lies with this queue: a task just stolen may have waited long in another. Who came to wait
   * meanwhile, or was dealt to another queue by a swap, is looked at when its slice is over, not a whole slice later.
   */
  onIdleTimer(now: VirtualTime, index: number, out: Out): void {
    const cpu = defined(this.#cpus.get(index), "the timer's CPU is ours")
    if (cpu.state.kind !== "idle") return
    if (this.#context.isFallback) return this.#askForWork(now, cpu, out)
    const { sliceTicks } = this.#context.spec.schedule
    const tick = this.#context.ticks.tickAt(now)
    const { sinceTick } = cpu.state
    const queue = this.#context.queueOf(index)
    const claims = this.#tasks
      .all()
      .filter((one) => one.state === "waiting" && one.queue === queue && mayRunOn(one.spec.affinity, index))
      .map((task) => ({ task, dueTick: Math.max(task.queuedTick, sinceTick) + sliceTicks }))
    const task = claims
      .filter(({ dueTick }) => dueTick <= tick)
      .map((due) => due.task)
      .sort((a, b) => a.sinceTick - b.sinceTick || a.spec.ordinal - b.spec.ordinal)[0]
    if (task === undefined) {
      if (tick - cpu.askedTick >= sliceTicks) {
        this.#askForWork(now, cpu, out)
        if (tick - sinceTick >= sliceTicks) this.#hooks.onNoWork(now, cpu, out)
      }
      const nextTick = Math.min(cpu.askedTick + sliceTicks, ...claims.map(({ dueTick }) => dueTick))
      out.push(timer(idleTimer(index), this.#context.ticks.start(nextTick)))
      return
    }
    this.bypasses++
    this.#hooks.onBypass(now, queue, task)
    out.push(event("scheduler-bypassed", { "backplane.cpu": index, "backplane.queue": queue, "backplane.task": task.spec.task }, "warn"))
    this.#streams.add(queue, { type: "CPU_RUNNING", cpu: index, task: task.spec.task, taskSeq: task.taskSeq })
    this.dispatch(now, { cpu, task, untilTick: (Math.floor(tick / sliceTicks) + 1) * sliceTicks }, out)
  }

  /** Takes a task that became void off its CPU, without telling anyone that it finished. */
  drop(now: VirtualTime, task: Task, out: Out): void {
    const cpu = task.cpu === null ? undefined : this.#cpus.get(task.cpu)
    this.#tasks.remove(task)
    this.#streams.add(task.queue, { type: "TASK_GONE", task: task.spec.task, taskSeq: task.taskSeq, reason: "lost" })
    const ranHere = cpu?.state.kind === "running" && cpu.state.task === task
    if (ranHere) cpu.leave(this.#context.ticks.tickAt(now))
    if (ranHere) this.#replanSiblings(now, cpu, out)
    this.#context.works.close(task.spec)
    if (ranHere) this.#askForWork(now, cpu, out)
  }
}

/** What the pause waits for without sleeping; null: it is not such a pause. */
function spinOf(pause: SlicePause | undefined): Spin | null {
  return pause?.kind === "blocked" && pause.spin === true && pause.awaits !== undefined ? pause.awaits : null
}

/** Timer keys sort by CPU, so that what is due at one instant is handled in the order of CPUs. */
function cpuTimer(cpu: number): string {
  return `cpu/${String(cpu).padStart(4, "0")}`
}

function idleTimer(cpu: number): string {
  return `idle/${String(cpu).padStart(4, "0")}`
}

/** From the waking of a task to its dispatch. */
export function wakeSpan(task: string): string {
  return `wake/${task}`
}

function decideSpan(cpu: Cpu): string {
  return `decide/${cpu.index}`
}
