/**
 * What was lost and what is done about it: silent or reborn nodes, tasks that nobody holds, a machine in which nothing moves.
 *
 * A task is lost with the node that held it, or on the way between two. A life is given up before the next one begins; a node that turns
 * out to hold a life given up is told to drop it.
 */
import { closeSpan, event, openSpan, send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { NodeReport, TaskMoved } from "@backplane/compute-contract/task-messages"
import type { FrameReleased, NodeGoneSeen } from "@backplane/memory-contract/memory-messages"
import { MEMORY_CONTROLLER, memoryController, memoryControllersOf } from "@backplane/scenario-machine/topology"
import { CHECK_TICKS, type HypervisorContext, type Out } from "./hypervisor-context.ts"
import type { JobStarts } from "./job-starts.ts"
import type { Job, JobTable } from "./job-table.ts"
import type { NodeWatch } from "./node-watch.ts"
import type { RunFailure } from "./run-result.ts"
import type { VmLives } from "./vm-lives.ts"

/** Reports of its node in a row without it, and no word of its end: it went down with a message or a node. */
const UNSEEN_MAX = 3

/** Lives of a job before its present one whose leases a new life of the hypervisor gives back once more: it may not have done so. */
const RELEASES_REPEATED = 8

/** Slices in which a scheduler may leave the whole machine idle beside work. */
const STALL_SLICES = 20

/** A node gives frames back again every few ticks; after so long it has been heard, and a task that ended earlier has none. */
const RELEASE_DOUBT_TICKS = 2_000

export class Losses {
  readonly #context: HypervisorContext
  readonly #jobs: JobTable
  readonly #watch: NodeWatch
  readonly #starts: JobStarts
  readonly #vms: VmLives
  /** Leases of lives given up, to be given back: owner/attempt. */
  readonly #releases = new Map<string, { readonly owner: string; readonly attempt: number }>()
  /** Node → its life that is over, until the memory controller knows. */
  readonly #gone = new Map<number, number>()

  constructor(parts: {
    readonly context: HypervisorContext
    readonly jobs: JobTable
    readonly watch: NodeWatch
    readonly starts: JobStarts
    readonly vms: VmLives
  }) {
    this.#context = parts.context
    this.#jobs = parts.jobs
    this.#watch = parts.watch
    this.#starts = parts.starts
    this.#vms = parts.vms
  }

  get hasReleases(): boolean {
    return this.#releases.size > 0 || this.#gone.size > 0
  }

  /** Leases that lives given up before this one of the hypervisor may still have. */
  restore(): void {
    for (const { spec, attempt, state } of this.#jobs.all()) {
      for (let before = Math.max(1, attempt - RELEASES_REPEATED); before < attempt; before++) this.#giveBack(spec.name, before)
      if (state === "lost") this.#giveBack(spec.name, attempt)
    }
  }

  #giveBack(owner: string, attempt: number): void {
    this.#releases.set(`${owner}/${attempt}`, { owner, attempt })
  }

  onReleased({ owner, attempt }: FrameReleased): void {
    this.#releases.delete(`${owner}/${attempt}`)
  }

  onGoneSeen({ node, incarnation }: NodeGoneSeen): void {
    if ((this.#gone.get(node) ?? 0) <= incarnation) this.#gone.delete(node)
  }

  repeat(out: Out): void {
    for (const [node, incarnation] of this.#gone) out.push(send(MEMORY_CONTROLLER, { kind: "NodeGone", node, incarnation }))
    for (const release of this.#releases.values()) out.push(send(MEMORY_CONTROLLER, { kind: "FrameRelease", ...release }))
  }

  onMoved(from: ActorId, { task, attempt, node }: TaskMoved, out: Out): void {
    const job = this.#jobs.get(task)
    if (job?.attempt !== attempt) return void out.push(send(from, { kind: "TaskRevoke", task, attempt }))
    this.#begun(job, out)
    if (job.state !== "live") return
    const { node: before } = job
    Object.assign(job, { node, unseen: 0 })
    if (before !== node) this.#tellMemory(job, { from: before, to: node }, out)
  }

  /** Its pages may go along. Not while others of its memory run where it was; a VM's memory goes with it. */
  #tellMemory({ spec: { space, vcpu } }: Job, { from, to }: { readonly from: number; readonly to: number }, out: Out): void {
    if (space === undefined || vcpu !== undefined) return
    if (this.#jobs.inState("live").some(({ spec, node }) => spec.space === space && node === from)) return
    const controllers = memoryControllersOf(this.#context.spec)
    for (let index = 0; index < controllers; index++) out.push(send(memoryController(index), { kind: "SpaceMoved", space, from, to }))
  }

  onReport(now: VirtualTime, from: ActorId, report: NodeReport, out: Out): void {
    const kind = this.#watch.onReport(now, report)
    if (kind === "stale") return
    if (kind === "first") this.#onFirstReport(now, report, out)
    if (kind === "reborn") this.#onNodeLost(now, { node: report.node, life: report.incarnation - 1, how: "restarted" }, out)
    const held = new Set<string>()
    for (const { task, attempt, queue, state } of report.holds) {
      const job = this.#jobs.get(task)
      if (job === undefined || job.attempt !== attempt || job.state === "finished" || job.state === "lost") {
        out.push(send(from, { kind: "TaskRevoke", task, attempt }))
        continue
      }
      held.add(task)
      if (!isLeasing(state)) this.#begun(job, out)
      job.node = report.node
      job.queue = queue
      job.unseen = 0
    }
    for (const job of this.#jobs.inState("live")) if (job.node === report.node && !held.has(job.spec.name)) job.unseen++
    this.#vms.onNodeReport(report.node, out)
  }

  /** Our first word of this node. What an earlier life of ours submitted to an earlier life of the node may have begun there. */
  #onFirstReport(now: VirtualTime, { node, incarnation }: NodeReport, out: Out): void {
    if (incarnation > 1) this.#releaseEnded(now, node)
    const submitted = this.#jobs.inState("submitted").filter((job) => job.node === node)
    for (const job of submitted) if (job.nodeLife > 0 && job.nodeLife < incarnation) this.#onTaskLost(job, `node ${node} restarted`, out)
    this.#starts.onFirstReport(node, out)
    this.#vms.onNodeFirst(node, out)
  }

  /**
   * A task that lies anywhere was accepted, though the word of that may be lost. Without this the job would be submitted again, now to
   * the node where its task was seen, which never heard of the submission and begins the same life a second time (seed 11, lossy).
   */
  #begun(job: Job, out: Out): void {
    if (job.state !== "submitted") return
    job.state = "live"
    this.#starts.answered(job, out)
  }

  /** Once in a while: silent nodes and tasks that nobody holds. */
  check(now: VirtualTime, startedAt: VirtualTime, out: Out): void {
    for (const node of this.#watch.newlySilent(now, startedAt))
      this.#onNodeLost(now, { node, life: this.#watch.incarnationOf(node), how: "silent" }, out)
    for (const job of this.#jobs.inState("live"))
      if (job.unseen >= UNSEEN_MAX) this.#onTaskLost(job, `node ${job.node} does not hold it`, out)
  }

  /** A task may have ended on a node that then went down with its frames not yet given back. */
  #releaseEnded(now: VirtualTime, node: number): void {
    const since = this.#context.ticks.tickAt(now) - RELEASE_DOUBT_TICKS
    for (const { spec, attempt, finishTick, node: last } of this.#jobs.inState("finished")) {
      if ((finishTick ?? 0) < since) continue
      if (last === node) this.#giveBack(spec.name, attempt)
      else if (attempt > 1) this.#giveBack(spec.name, attempt - 1) // a life given up may have lain there to the last
    }
  }

  #onNodeLost(
    now: VirtualTime,
    { node, life, how }: { readonly node: number; readonly life: number; readonly how: string },
    out: Out,
  ): void {
    // One that never spoke had nothing.
    if (life > 0) this.#gone.set(node, life)
    this.#releaseEnded(now, node)
    const hurt = this.#jobs.inState("live", "submitted").filter((job) => job.node === node)
    const names = hurt.map((job) => job.spec.name).join(" ")
    out.push(event("node-lost", { "backplane.node": node, "backplane.reason": how, "backplane.tasks": names }, "warn"))
    for (const job of hurt) {
      // Its node was never heard of, so nobody was told of this life: it begins elsewhere, and nothing was lost (seed 9347, lossy).
      const wasSent = job.state !== "submitted" || job.nodeLife > 0 || job.spec.vcpu !== undefined
      if (!wasSent) this.#starts.place(job, out)
      else this.#onTaskLost(job, `node ${node} ${how}`, out)
    }
    this.#vms.onNodeLost(node, how, out)
  }

  #onTaskLost(job: Job, reason: string, out: Out): void {
    const { name, restartable } = job.spec
    this.#giveBack(name, job.attempt)
    if (job.spec.vcpu !== undefined) return this.#vms.onVcpuLost(job, reason, out)
    const begins = restartable || job.state === "submitted" // what was never accepted has lost nothing
    job.unseen = 0
    job.reason = reason
    const key = `restart/${name}`
    // Part of the trace that told of the loss, the restart of a node for one; a silence is told by nobody and begins a trace.
    out.push(openSpan(key, "task.restart", { "backplane.task": name, "backplane.reason": reason }))
    out.push(event(begins ? "task-restarted" : "task-lost", { "backplane.task": name, "backplane.reason": reason }, "warn"))
    if (begins) {
      job.attempt++
      this.#starts.place(job, out) // whose answer closes the span (`startSpan`)
    } else {
      job.state = "lost"
      this.#starts.keep(job, out)
      out.push(closeSpan(key, { "backplane.verdict": "lost" }))
    }
  }

  /** A task that waits while all CPUs of the machine have had nothing to run for as long as a scheduler may do nothing; or null. */
  neglected(): Job | null {
    const boundTicks = Math.max(STALL_SLICES * this.#context.spec.schedule.sliceTicks, 2 * CHECK_TICKS)
    if (this.#watch.stuckTicks() < boundTicks || this.#watch.deadlocked() !== null) return null
    return this.#jobs.inState("live")[0] ?? null
  }

  /** The task that makes the machine stand still, if it does: all CPUs idle for long although tasks wait. */
  standstill(): RunFailure | null {
    const { sliceTicks, peekTicks } = this.#context.spec.schedule
    const { cpus } = this.#context.spec.topology
    const boundTicks = Math.max(20 * sliceTicks, 16 * peekTicks * cpus, 2 * CHECK_TICKS)
    if (this.#watch.stuckTicks() < boundTicks) return null
    const deadlock = this.#watch.deadlocked()
    if (deadlock !== null) {
      // One that is to come, or that came after the last report, may signal (seed 5062, slow).
      if (this.#jobs.inState("due", "submitted", "live").length > deadlock.held) return null
      const { task, channel } = deadlock
      const message = `job ${task} waits for the channel ${channel}, and so does every job for some channel: nobody is left to signal`
      return { kind: "lost-task", job: task, message }
    }
    const waiting = this.#jobs.inState("live")
    const barred = waiting.filter(({ queue, spec }) => queue !== "all" && !mayRunInQueue(spec.affinity, queue))
    const job = barred[0] ?? waiting[0]
    if (job === undefined) return null
    const where =
      barred.length > 0 ? `lies in the queue ${job.queue}, whose CPU it may not use` : `waits in the queue ${job.queue} and is not chosen`
    const message = `job ${job.spec.name} ${where}; all CPUs have been idle for ${boundTicks} ticks`
    return { kind: "lost-task", job: job.spec.name, message }
  }
}

function mayRunInQueue(affinity: readonly number[], queue: string): boolean {
  return affinity.length === 0 || affinity.includes(Number(queue.slice("cpu-".length)))
}

/** Its frames are asked for: it may still be rejected, and has not been accepted. */
function isLeasing(state: NodeReport["holds"][number]["state"]): boolean {
  return state === "leasing"
}
