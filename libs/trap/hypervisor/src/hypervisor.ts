/**
 * The hypervisor machine: starts jobs, watches nodes, starts again what was lost, changes the policy, and says how the run went.
 * See README.md.
 *
 * This file dispatches inputs and knows when the run is over; each part has its own file.
 */
import { event, send, timer } from "@backplane/foundation-actor/effects"
import { actorIndex, actorKind, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect, Input, Machine, Restored } from "@backplane/foundation-actor/machine"
import { virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Json } from "@backplane/foundation-base/json"
import type { TaskAccepted, TaskFinished, TaskRejected } from "@backplane/compute-contract/task-messages"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { ArrivalSchedule } from "./arrival-schedule.ts"
import { CHECK_TICKS, HypervisorContext, RETRY_TICKS, type HypervisorHears, type HypervisorSays, type Out } from "./hypervisor-context.ts"
import { CpuLines } from "./cpu-lines.ts"
import { inspectJobs } from "./inspect-jobs.ts"
import { JobStarts } from "./job-starts.ts"
import { JobTable } from "./job-table.ts"
import { Losses } from "./losses.ts"
import { NodeWatch } from "./node-watch.ts"
import { BACK_TIMER, type ExitRecord } from "./policy-ladder.ts"
import { PolicySwaps } from "./policy-swaps.ts"
import { runResult, type RunFailure, type RunResult } from "./run-result.ts"
import { SHADOW_TIMER } from "./shadow-trial.ts"
import { ScheduleCollector } from "./schedule-collector.ts"
import { CONSOLE_TIMER } from "./vm-consoles.ts"
import { NO_IMAGES, type ImageStore } from "./vm-images.ts"
import { Tunings } from "./tunings.ts"
import { Vms } from "./vms.ts"

export interface HypervisorConfig {
  readonly spec: MachineSpec
  /** The kernels and disks of VMs; absent: there are none. */
  readonly images?: ImageStore
}

export class HypervisorMachine implements Machine<HypervisorHears, HypervisorSays> {
  readonly #context: HypervisorContext
  readonly #jobs = new JobTable()
  readonly #watch: NodeWatch
  readonly #swaps: PolicySwaps
  readonly #lines: CpuLines
  readonly #tunings: Tunings
  readonly #starts: JobStarts
  readonly #losses: Losses
  readonly #arrivals: ArrivalSchedule
  readonly #vms: Vms
  #startedAt: VirtualTime = virtualTime(0)
  #collector: ScheduleCollector | null = null
  #result: RunResult | null = null
  #failure: RunFailure | null = null
  #retrying = false

  constructor({ spec, images = NO_IMAGES }: HypervisorConfig) {
    const context = new HypervisorContext(spec)
    const jobs = this.#jobs
    const watch = new NodeWatch(context)
    const starts = new JobStarts({ context, jobs, watch })
    this.#context = context
    this.#watch = watch
    this.#starts = starts
    this.#swaps = new PolicySwaps(context)
    this.#lines = new CpuLines(context, jobs)
    this.#tunings = new Tunings({ context, jobs, starts })
    this.#vms = new Vms({ context, jobs, watch, starts, images })
    this.#losses = new Losses({ context, jobs, watch, starts, vms: this.#vms.lives })
    this.#arrivals = new ArrivalSchedule({ context, jobs, starts })
  }

  start(now: VirtualTime, restored: Restored): readonly Effect<HypervisorSays>[] {
    const out: Out = []
    this.#context.now = now
    const { spec, ticks } = this.#context
    this.#startedAt = now
    const records = [...restored].flatMap(([key, value]) => (key.startsWith("job/") ? [value] : []))
    this.#jobs.restore(records, spec.jobs)
    this.#losses.restore()
    this.#swaps.restore(restored)
    this.#lines.restore(restored)
    this.#tunings.restore()
    this.#starts.dealFirst(out)
    this.#vms.begin(restored, out)
    this.#arrivals.begin(now, restored, out)
    for (const job of this.#jobs.inState("due")) out.push(timer(`due/${job.spec.name}`, maxTime(now, ticks.start(job.spec.arrival))))
    this.#swaps.arm(now, out)
    out.push(timer("check", this.#context.laterTicks(now, CHECK_TICKS)))
    if (spec.arrivals === undefined) out.push(timer("max-ticks", maxTime(now, ticks.start(spec.maxTicks))))
    return this.#finishStep(now, out)
  }

  step(now: VirtualTime, input: Input<HypervisorHears>): readonly Effect<HypervisorSays>[] {
    const out: Out = []
    this.#context.now = now
    if (input.kind === "message") this.#onMessage(now, input.from, input.body, out)
    else if (input.kind === "timer") this.#onTimer(now, input.key, out)
    else this.#onPersisted(input.key, out)
    return this.#finishStep(now, out)
  }

  #onMessage(now: VirtualTime, from: ActorId, body: HypervisorHears, out: Out): void {
    if (actorKind(from) === "node") this.#watch.onWord(now, Number(actorIndex(from)))
    switch (body.kind) {
      case "TaskAccepted":
        return this.#onAccepted(from, body, out)
      case "TaskRejected":
        return this.#onRejected(body, out)
      case "TaskFinished":
        return this.#onFinished(from, body, out)
      case "TaskMoved":
        return this.#losses.onMoved(from, body, out)
      case "NodeReport":
        this.#losses.onReport(now, from, body, out)
        this.#lines.onReport(body)
        return this.#swaps.onReport(body, out)
      case "ShadowSwapped":
        return this.#swaps.shadow.onSwapped(body)
      case "ShadowReport":
        return this.#swaps.onShadowReport(now, body, out)
      case "CpuLevelsSeen":
        return this.#lines.onSeen(body)
      case "TaskTuned":
        return this.#tunings.onTuned(body)
      case "CpuAsk":
        return this.#lines.onAsk(from, body, out)
      case "TuneAsk":
        return this.#tunings.onAsk(from, body, out)
      case "SpaceShared":
        return this.#tunings.onShared(body, out)
      case "MemoryAnswer":
        return this.#vms.lives.onMemoryForgotten(from, body.request, out)
      case "PolicySwapped":
        return this.#swaps.onSwapped(body, out)
      case "SchedulePage":
        return this.#collector?.onPage(body, out)
      case "NodeGoneSeen":
        return this.#losses.onGoneSeen(body)
      case "FrameReleased":
        return this.#losses.onReleased(body)
      case "SchedulerFailure":
        return this.#fail({ kind: "no-victim", message: `tick ${body.tick}: a look into other queues, but there is only one CPU` }, out)
      case "SwapAsk":
        return this.#swaps.onAsk(now, from, body, out)
      case "SchedulerFault":
        return this.#swaps.ladder.onFault(now, body, out)
      default:
        return this.#vms.onMessage(now, from, body, out)
    }
  }

  #onTimer(now: VirtualTime, key: string, out: Out): void {
    const [name, argument = ""] = key.split("/")
    if (name === "check") this.#check(now, out)
    else if (name === "retry") this.#repeatAll(now, out)
    else if (name === "due") this.#onDue(argument, out)
    else if (name === "arrival") this.#arrivals.onTimer(now, out)
    else if (name === CONSOLE_TIMER) this.#vms.consoles.onTimer(now, out)
    else if (name === "action") this.#onAction(now, Number(argument), out)
    else if (name === SHADOW_TIMER) this.#swaps.onShadowTimer(now, out)
    else if (name === BACK_TIMER) this.#swaps.ladder.onTimer(out)
    else if (name === "max-ticks" && this.#result === null)
      this.#fail({ kind: "max-ticks", message: `not done after ${this.#context.spec.maxTicks} ticks` }, out)
  }

  #onPersisted(key: string, out: Out): void {
    this.#starts.onPersisted(key, out)
    this.#swaps.onPersisted(key, out)
    this.#lines.onPersisted(key, out)
    this.#tunings.onPersisted(key, out)
    this.#vms.lives.onPersisted(key, out)
  }

  /** What is unanswered is asked again; when all jobs have ended the schedule is collected. */
  #finishStep(now: VirtualTime, out: Out): readonly Effect<HypervisorSays>[] {
    if (this.#isOver() && this.#collector === null && this.#failure === null) {
      this.#collector = new ScheduleCollector(this.#context, Math.max(0, this.#context.ticks.tickAt(now))) // all may be over before the first tick
      this.#collector.ask(now, this.#watch.lostNodes(), out)
    }
    if (this.#collector?.isComplete === true && this.#result === null) {
      this.#result = runResult(this.#jobs.all(), this.#collector.cpus, this.#vms.table.all())
      out.push(
        event("machine-done", { "backplane.machine": this.#context.spec.name, "backplane.reason": this.#result.fingerprint }, "info"),
      )
    }
    const collecting = this.#collector !== null && this.#result === null
    const waits =
      collecting ||
      this.#vms.isUnderWay ||
      this.#swaps.isUnderWay ||
      this.#lines.isUnderWay ||
      this.#losses.hasReleases ||
      this.#jobs.inState("submitted").length > 0 ||
      this.#tunings.isUnderWay
    if (waits && !this.#retrying) out.push(timer("retry", this.#context.laterTicks(now, RETRY_TICKS)))
    this.#retrying ||= waits
    return out
  }

  #isOver(): boolean {
    const isEmpty = this.#jobs.size === 0 && this.#vms.table.all().length === 0
    return this.#arrivals.isOver && !isEmpty && this.#vms.isOver && this.#jobs.inState("due", "submitted", "live").length === 0
  }

  #repeatAll(now: VirtualTime, out: Out): void {
    this.#retrying = false
    this.#starts.repeat(now, out)
    this.#losses.repeat(out)
    this.#swaps.repeat(out)
    this.#lines.repeat(out)
    this.#tunings.repeat(out)
    this.#vms.repeat(out)
    if (this.#result === null) this.#collector?.ask(now, this.#watch.lostNodes(), out)
  }

  /** Something that the scenario does on purpose. */
  #onAction(now: VirtualTime, index: number, out: Out): void {
    const action = this.#swaps.takeAction(index)
    if (action === null) return
    const { swap, shadow, shadowOnly, cpus, cpu, task, vm } = action
    const wish = { ...(shadow !== undefined && { shadowSlices: shadow }), ...(shadowOnly && { shadowOnly }), ...(cpus && { cpus }) }
    const refusals = [
      swap === undefined ? null : this.#swaps.begin(now, { policy: swap, ...wish }, out),
      cpu === undefined ? null : this.#lines.set({ cpu: cpu.index, online: cpu.online, force: true }, out),
      vm === undefined ? null : this.#vms.desk.move(vm.name, vm.node, out),
      task === undefined ? null : this.#tunings.tune(task.name, task, out),
    ].filter((refusal) => typeof refusal === "string")
    for (const reason of refusals) out.push(event("action-refused", { "backplane.reason": reason }, "warn"))
  }

  #onDue(name: string, out: Out): void {
    const job = this.#jobs.get(name)
    if (job?.state === "due") this.#starts.place(job, out)
  }

  #onAccepted(from: ActorId, { task, attempt, node }: TaskAccepted, out: Out): void {
    const job = this.#jobs.get(task)
    if (job === undefined || job.attempt !== attempt || job.state === "finished")
      return void out.push(send(from, { kind: "TaskRevoke", task, attempt }))
    if (job.state !== "submitted" || job.node !== node) return
    job.state = "live"
    if (job.spec.vcpu !== undefined) this.#vms.lives.onVcpuBegun(job, out)
    this.#starts.answered(job, out)
  }

  #onRejected({ task, attempt, reason }: TaskRejected, out: Out): void {
    const job = this.#jobs.get(task)
    if (job === undefined || job.attempt !== attempt || job.state !== "submitted") return
    job.state = "rejected"
    job.reason = reason
    this.#starts.answered(job, out, reason)
    if (job.spec.vcpu !== undefined) return this.#vms.lives.onVcpuRejected(job, reason, out)
    if (this.#context.spec.arrivals === undefined) this.#fail({ kind: "rejected", job: task, message: reason }, out)
  }

  #onFinished(from: ActorId, { task, attempt, node, tick, guest }: TaskFinished, out: Out): void {
    const job = this.#jobs.get(task)
    // The end of a life given up, or of a job long forgotten: nothing depends on it.
    if (job?.attempt !== attempt) return void out.push(send(from, { kind: "TaskFinishedSeen", task, attempt }))
    if (job.state !== "finished") {
      const wasSubmitted = job.state === "submitted"
      job.state = "finished"
      job.finishTick = tick
      job.outcome = guest ?? null
      job.node = node
      if (wasSubmitted) this.#starts.answered(job, out)
      else this.#starts.keep(job, out)
      if (job.spec.vcpu !== undefined) this.#vms.lives.onVcpuFinished(job, out)
    }
    this.#starts.confirm(job, from, out)
  }

  /** Once in a while: is anything lost, can anything be started that could not, does anything move? */
  #check(now: VirtualTime, out: Out): void {
    out.push(timer("check", this.#context.laterTicks(now, CHECK_TICKS)))
    if (this.#result !== null || this.#failure !== null) return
    this.#losses.check(now, this.#startedAt, out)
    for (const job of this.#jobs.inState("due")) if (job.spec.arrival <= this.#context.ticks.tickAt(now)) this.#starts.place(job, out)
    const neglected = this.#swaps.ladder.mayEject ? this.#losses.neglected() : null
    if (neglected !== null) this.#watch.beginAnew()
    if (neglected !== null) return this.#swaps.ladder.onNeglect(now, neglected.spec.name, out)
    const standstill = this.#losses.standstill()
    if (standstill?.kind !== "lost-task") return
    out.push(event("task-lost", { "backplane.task": standstill.job, "backplane.reason": standstill.message }, "error"))
    this.#fail(standstill, out)
  }

  #fail(failure: RunFailure, out: Out): void {
    if (this.#failure !== null) return
    this.#failure = failure
    out.push(event("machine-failed", { "backplane.machine": this.#context.spec.name, "backplane.reason": failure.message }, "error"))
  }

  get result(): RunResult | null {
    return this.#result
  }

  /** Ejections of schedulers, the last first. */
  get exits(): readonly ExitRecord[] {
    return this.#swaps.ladder.records
  }

  get failure(): RunFailure | null {
    return this.#failure
  }

  /** For people and checkers. Not part of the protocol. */
  inspect(): Json {
    return {
      machine: this.#context.spec.name,
      state: this.#failure !== null ? "failed" : this.#result !== null ? "done" : "running",
      policy: this.#context.policies,
      seats: this.#context.seats as unknown as Json,
      shadow: this.#swaps.shadow.view() as unknown as Json,
      offline: [...this.#context.offline],
      topology: this.#lines.topology,
      epoch: this.#context.epoch,
      fallback: this.#context.isFallback,
      fallbackAsked: this.#context.isFallbackAsked,
      exits: this.#swaps.ladder.records as unknown as Json,
      quarantined: [...this.#swaps.ladder.quarantined],
      ...inspectJobs(this.#jobs),
      vms: this.#vms.desk.views() as unknown as Json,
      nodes: this.#watch.inspect(),
      result: this.#result as unknown as Json,
      failure: this.#failure as unknown as Json,
    }
  }
}

function maxTime(a: VirtualTime, b: VirtualTime): VirtualTime {
  return a > b ? a : b
}
