/**
 * The hypervisor machine: starts jobs, watches nodes, starts again what was lost, changes the policy, and says how the run went.
 * See README.md. (Guest operating systems and their exits come to it with the VMM; see "not built yet" there.)
 */
import { closeSpan, event, openSpan, persist, send, timer } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect, Input, Machine, Restored } from "@backplane/foundation-actor/machine"
import { virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { unreachable } from "@backplane/foundation-base/assert"
import type { Json } from "@backplane/foundation-base/json"
import type { NodeReport, TaskAccepted, TaskFinished, TaskMoved, TaskRejected } from "@backplane/compute-contract/task-messages"
import type { JobSpec, MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { MEMORY_CONTROLLER, nodeActor } from "@backplane/scenario-machine/topology"
import { Arrivals } from "./arrivals.ts"
import { CHECK_TICKS, HypervisorContext, RETRY_TICKS, type HypervisorHears, type HypervisorSays, type Out } from "./hypervisor-context.ts"
import { JOB_STATES, JobTable, recordOf, type Job } from "./job-table.ts"
import { NodeWatch } from "./node-watch.ts"
import { dealJobs, placeOne } from "./placement.ts"
import { PolicySwaps } from "./policy-swaps.ts"
import { runResult, type RunFailure, type RunResult } from "./run-result.ts"
import { ScheduleCollector } from "./schedule-collector.ts"

export interface HypervisorConfig {
  readonly spec: MachineSpec
}

export class HypervisorMachine implements Machine<HypervisorHears, HypervisorSays> {
  readonly #context: HypervisorContext
  readonly #jobs = new JobTable()
  readonly #watch: NodeWatch
  readonly #swaps: PolicySwaps
  #arrivals: Arrivals | null = null
  #startedAt: VirtualTime = virtualTime(0)
  /** Leases of lost tasks, to be given back: owner/attempt. */
  readonly #releases = new Map<string, { readonly owner: string; readonly attempt: number }>()
  #collector: ScheduleCollector | null = null
  #result: RunResult | null = null
  #failure: RunFailure | null = null
  #retrying = false

  constructor({ spec }: HypervisorConfig) {
    this.#context = new HypervisorContext(spec)
    this.#watch = new NodeWatch(this.#context)
    this.#swaps = new PolicySwaps(this.#context)
  }

  start(now: VirtualTime, restored: Restored): readonly Effect<HypervisorSays>[] {
    const out: Out = []
    const { spec, ticks } = this.#context
    this.#startedAt = now
    const records = [...restored].flatMap(([key, value]) => (key.startsWith("job/") ? [value] : []))
    if (records.length > 0) this.#jobs.restore(records)
    else for (const job of spec.jobs) this.#jobs.add(job)
    this.#swaps.restore(restored)
    this.#dealFirst(now, out)
    if (spec.arrivals !== undefined) {
      const made = restored.get("arrivals")
      this.#arrivals = new Arrivals(spec.arrivals, spec.seed, typeof made === "number" ? made : 0)
      out.push(timer("arrival", ticks.start(Math.max(0, ticks.tickAt(now)) + this.#arrivals.gapTicks())))
    }
    for (const job of this.#jobs.inState("due")) out.push(timer(`due/${job.spec.name}`, maxTime(now, ticks.start(job.spec.arrival))))
    for (const [index, action] of spec.actions.entries())
      if (action.atTick > ticks.tickAt(now)) out.push(timer(`action/${index}`, ticks.start(action.atTick)))
    out.push(timer("check", this.#context.laterTicks(now, CHECK_TICKS)))
    if (spec.arrivals === undefined) out.push(timer("max-ticks", maxTime(now, ticks.start(spec.maxTicks))))
    return this.#finishStep(now, out)
  }

  #dealFirst(now: VirtualTime, out: Out): void {
    const first = this.#jobs.inState("due").filter((job) => job.spec.arrival === 0)
    for (const [job, place] of dealJobs(first, this.#context.policy, this.#context.spec.topology)) {
      job.queue = place.queue
      job.node = place.node
      this.#submit(now, job, out)
    }
  }

  step(now: VirtualTime, input: Input<HypervisorHears>): readonly Effect<HypervisorSays>[] {
    const out: Out = []
    if (input.kind === "message") this.#onMessage(now, input.from, input.body, out)
    else if (input.kind === "timer") this.#onTimer(now, input.key, out)
    return this.#finishStep(now, out)
  }

  #onMessage(now: VirtualTime, from: ActorId, body: HypervisorHears, out: Out): void {
    switch (body.kind) {
      case "TaskAccepted":
        return this.#onAccepted(from, body, out)
      case "TaskRejected":
        return this.#onRejected(body, out)
      case "TaskFinished":
        return this.#onFinished(from, body, out)
      case "TaskMoved":
        return this.#onMoved(body)
      case "NodeReport":
        return this.#onReport(now, from, body, out)
      case "PolicySwapped":
        return this.#swaps.onSwapped(body, out)
      case "SchedulePage":
        return this.#collector?.onPage(body, out)
      case "FrameReleased":
        return void this.#releases.delete(`${body.owner}/${body.attempt}`)
      case "SchedulerFailure":
        return this.#fail({ kind: "no-victim", message: `tick ${body.tick}: a look into other queues, but there is only one CPU` }, out)
      case "SwapAsk":
        return this.#swaps.onAsk(from, body, out)
      default:
        return unreachable(body)
    }
  }

  #onTimer(now: VirtualTime, key: string, out: Out): void {
    const [name, argument = ""] = key.split("/")
    if (name === "check") this.#check(now, out)
    else if (name === "retry") this.#repeatAll(now, out)
    else if (name === "due") this.#onDue(now, argument, out)
    else if (name === "arrival") this.#onArrival(now, out)
    else if (name === "action") this.#swaps.begin(this.#context.spec.actions[Number(argument)]?.swap ?? this.#context.policy, out)
    else if (name === "max-ticks" && this.#result === null)
      this.#fail({ kind: "max-ticks", message: `not done after ${this.#context.spec.maxTicks} ticks` }, out)
  }

  /** What is unanswered is asked again; when all jobs have ended the schedule is collected. */
  #finishStep(now: VirtualTime, out: Out): readonly Effect<HypervisorSays>[] {
    if (this.#isOver() && this.#collector === null && this.#failure === null) {
      this.#collector = new ScheduleCollector(this.#context, this.#context.ticks.tickAt(now))
      this.#collector.ask(now, this.#watch.lostNodes(), out)
    }
    if (this.#collector?.isComplete === true && this.#result === null) {
      this.#result = runResult(this.#jobs.all(), this.#collector.cpus)
      out.push(
        event("machine-done", { "backplane.machine": this.#context.spec.name, "backplane.reason": this.#result.fingerprint }, "info"),
      )
    }
    const collecting = this.#collector !== null && this.#result === null
    const waits = collecting || this.#swaps.isUnderWay || this.#releases.size > 0 || this.#jobs.inState("submitted").length > 0
    if (waits && !this.#retrying) out.push(timer("retry", this.#context.laterTicks(now, RETRY_TICKS)))
    this.#retrying ||= waits
    return out
  }

  #isOver(): boolean {
    return (
      (this.#arrivals === null || this.#arrivals.isOver) &&
      this.#jobs.size > 0 &&
      this.#jobs.inState("due", "submitted", "live").length === 0
    )
  }

  #repeatAll(now: VirtualTime, out: Out): void {
    this.#retrying = false
    for (const job of this.#jobs.inState("submitted")) this.#sendSubmit(job, out)
    for (const release of this.#releases.values()) out.push(send(MEMORY_CONTROLLER, { kind: "FrameRelease", ...release }))
    this.#swaps.repeat(out)
    if (this.#result === null) this.#collector?.ask(now, this.#watch.lostNodes(), out)
  }

  #submit(_now: VirtualTime, job: Job, out: Out): void {
    job.state = "submitted"
    const { name } = job.spec
    // A life that is begun again belongs to the trace of the restart, which is open already.
    if (job.attempt === 1)
      out.push(
        openSpan(
          `submit/${name}`,
          "task.submit",
          { "backplane.task": name, "backplane.node": job.node, "backplane.queue": job.queue },
          { root: true },
        ),
      )
    this.#sendSubmit(job, out)
    this.#keep(job, out)
  }

  #sendSubmit(job: Job, out: Out): void {
    const { name: task, run, workingSet, affinity } = job.spec
    const spec = { task, attempt: job.attempt, ordinal: job.ordinal, run, workingSet, affinity: [...affinity] }
    out.push(send(nodeActor(job.node), { kind: "TaskSubmit", spec, queue: job.queue }, spanOf(job)))
  }

  #keep(job: Job, out: Out): void {
    out.push(persist(`job/${job.spec.name}`, recordOf(job)))
  }

  #onDue(now: VirtualTime, name: string, out: Out): void {
    const job = this.#jobs.get(name)
    if (job?.state === "due") this.#placeAndSubmit(now, job, out)
  }

  #placeAndSubmit(now: VirtualTime, job: Job, out: Out): void {
    const others = this.#jobs.inState("submitted", "live").filter((other) => other !== job)
    const { policy, spec } = this.#context
    const place = placeOne(job, { policy, topology: spec.topology, others, deadNodes: this.#watch.lostNodes() })
    if (place === null) {
      job.state = "due" // no node that may run it lives: it is tried again at the next check
      return
    }
    job.node = place.node
    job.queue = place.queue
    this.#submit(now, job, out)
  }

  #onArrival(now: VirtualTime, out: Out): void {
    const arrivals = this.#arrivals
    if (arrivals === null || arrivals.isOver) return
    if (arrivals.mayAdd(this.#jobs.inState("due", "submitted", "live").length)) {
      this.#placeAndSubmit(now, this.#addJob(arrivals.next(this.#context.ticks.tickAt(now)), out), out)
      out.push(persist("arrivals", arrivals.made))
    }
    out.push(timer("arrival", this.#context.laterTicks(now, arrivals.gapTicks())))
  }

  #addJob(spec: JobSpec, out: Out): Job {
    for (const name of this.#jobs.forgetOldest()) out.push(persist(`job/${name}`, null))
    return this.#jobs.add(spec)
  }

  #onAccepted(from: ActorId, { task, attempt, node }: TaskAccepted, out: Out): void {
    const job = this.#jobs.get(task)
    if (job === undefined || job.attempt !== attempt || job.state === "finished")
      return void out.push(send(from, { kind: "TaskRevoke", task, attempt }))
    if (job.state !== "submitted" || job.node !== node) return
    job.state = "live"
    out.push(closeSpan(spanOf(job)))
    this.#keep(job, out)
  }

  #onRejected({ task, attempt, reason }: TaskRejected, out: Out): void {
    const job = this.#jobs.get(task)
    if (job === undefined || job.attempt !== attempt || job.state !== "submitted") return
    job.state = "rejected"
    job.reason = reason
    out.push(closeSpan(spanOf(job), {}, reason))
    this.#keep(job, out)
    if (this.#arrivals === null) this.#fail({ kind: "rejected", job: task, message: reason }, out)
  }

  #onFinished(from: ActorId, { task, attempt, node, tick }: TaskFinished, out: Out): void {
    out.push(send(from, { kind: "TaskFinishedSeen", task, attempt }))
    const job = this.#jobs.get(task)
    if (job === undefined || job.attempt !== attempt || job.state === "finished") return
    job.state = "finished"
    job.finishTick = tick
    job.node = node
    this.#keep(job, out)
  }

  #onMoved({ task, attempt, node }: TaskMoved): void {
    const job = this.#jobs.get(task)
    if (job?.attempt !== attempt || job.state !== "live") return
    job.node = node
    job.unseen = 0
  }

  #onReport(now: VirtualTime, from: ActorId, report: NodeReport, out: Out): void {
    const kind = this.#watch.onReport(now, report)
    if (kind === "stale") return
    if (kind === "reborn") this.#onNodeLost(now, report.node, "restarted", out)
    const held = new Set<string>()
    for (const { task, attempt, queue } of report.holds) {
      const job = this.#jobs.get(task)
      if (job === undefined || job.attempt !== attempt || job.state === "finished" || job.state === "lost") {
        out.push(send(from, { kind: "TaskRevoke", task, attempt }))
        continue
      }
      held.add(task)
      job.node = report.node
      job.queue = queue
      job.unseen = 0
    }
    for (const job of this.#jobs.inState("live")) if (job.node === report.node && !held.has(job.spec.name)) job.unseen++
    this.#swaps.onReport(report, out)
  }

  /** Once in a while: silent nodes, tasks that nobody holds, a machine in which nothing moves. */
  #check(now: VirtualTime, out: Out): void {
    out.push(timer("check", this.#context.laterTicks(now, CHECK_TICKS)))
    for (const state of JOB_STATES)
      out.push(event("tasks", { "backplane.state": state, "backplane.count": this.#jobs.inState(state).length }))
    if (this.#result !== null || this.#failure !== null) return
    for (const node of this.#watch.newlySilent(now, this.#startedAt)) this.#onNodeLost(now, node, "silent", out)
    // Three reports without it, and no word of its end: it went down with a message or a node.
    for (const job of this.#jobs.inState("live")) if (job.unseen >= 3) this.#onTaskLost(now, job, `node ${job.node} does not hold it`, out)
    for (const job of this.#jobs.inState("due"))
      if (job.spec.arrival <= this.#context.ticks.tickAt(now)) this.#placeAndSubmit(now, job, out)
    this.#checkStuck(now, out)
  }

  #checkStuck(now: VirtualTime, out: Out): void {
    const { sliceTicks, peekTicks } = this.#context.spec.schedule
    const { cpus } = this.#context.spec.topology
    const boundTicks = Math.max(20 * sliceTicks, 16 * peekTicks * cpus, 2 * CHECK_TICKS)
    if (this.#watch.stuckTicks(this.#context.ticks.tickAt(now)) < boundTicks) return
    const waiting = this.#jobs.inState("live")
    const barred = waiting.filter(
      (job) => job.queue !== "all" && job.spec.affinity.length > 0 && !job.spec.affinity.includes(Number(job.queue.slice("cpu-".length))),
    )
    const job = barred[0] ?? waiting[0]
    if (job === undefined) return
    const where =
      barred.length > 0 ? `lies in the queue ${job.queue}, whose CPU it may not use` : `waits in the queue ${job.queue} and is not chosen`
    out.push(event("task-lost", { "backplane.task": job.spec.name, "backplane.reason": where }, "error"))
    this.#fail(
      { kind: "lost-task", job: job.spec.name, message: `job ${job.spec.name} ${where}; all CPUs have been idle for ${boundTicks} ticks` },
      out,
    )
  }

  #onNodeLost(now: VirtualTime, node: number, how: string, out: Out): void {
    const hurt = this.#jobs.inState("live", "submitted").filter((job) => job.node === node)
    out.push(
      event(
        "node-lost",
        { "backplane.node": node, "backplane.reason": how, "backplane.tasks": hurt.map((job) => job.spec.name).join(" ") },
        "warn",
      ),
    )
    for (const job of hurt) this.#onTaskLost(now, job, `node ${node} ${how}`, out)
  }

  #onTaskLost(now: VirtualTime, job: Job, reason: string, out: Out): void {
    const { name, restartable } = job.spec
    this.#releases.set(`${name}/${job.attempt}`, { owner: name, attempt: job.attempt })
    const neverRan = job.state === "submitted"
    job.unseen = 0
    job.reason = reason
    out.push(openSpan(`restart/${name}`, "task.restart", { "backplane.task": name, "backplane.reason": reason }))
    if (restartable || neverRan) {
      job.attempt++
      out.push(event("task-restarted", { "backplane.task": name, "backplane.reason": reason }, "warn"))
      this.#placeAndSubmit(now, job, out)
    } else {
      job.state = "lost"
      out.push(event("task-lost", { "backplane.task": name, "backplane.reason": reason }, "warn"))
      out.push(closeSpan(`restart/${name}`, { "backplane.verdict": "lost" }))
      this.#keep(job, out)
    }
  }

  #fail(failure: RunFailure, out: Out): void {
    if (this.#failure !== null) return
    this.#failure = failure
    out.push(event("machine-failed", { "backplane.machine": this.#context.spec.name, "backplane.reason": failure.message }, "error"))
  }

  get result(): RunResult | null {
    return this.#result
  }

  get failure(): RunFailure | null {
    return this.#failure
  }

  /** For people and checkers. Not part of the protocol. */
  inspect(): Json {
    const jobs = this.#jobs.all()
    const count = (state: Job["state"]): number => jobs.filter((job) => job.state === state).length
    return {
      machine: this.#context.spec.name,
      state: this.#failure !== null ? "failed" : this.#result !== null ? "done" : "running",
      policy: this.#context.policy,
      epoch: this.#context.epoch,
      jobs: {
        due: count("due"),
        submitted: count("submitted"),
        live: count("live"),
        finished: count("finished") + this.#jobs.forgotten,
        lost: count("lost"),
        rejected: count("rejected"),
        restarts: jobs.reduce((sum, job) => sum + job.attempt - 1, 0),
      },
      live: this.#jobs
        .inState("live", "submitted")
        .map((job) => ({ job: job.spec.name, node: job.node, queue: job.queue, attempt: job.attempt })),
      lost: this.#jobs.inState("lost").map((job) => ({ job: job.spec.name, reason: job.reason })),
      nodes: this.#watch.inspect(),
      result: this.#result as unknown as Json,
      failure: this.#failure as unknown as Json,
    }
  }
}

/** The open span that the start of this life of a job belongs to. */
function spanOf(job: Job): string {
  return `${job.attempt === 1 ? "submit" : "restart"}/${job.spec.name}`
}

function maxTime(a: VirtualTime, b: VirtualTime): VirtualTime {
  return a > b ? a : b
}
