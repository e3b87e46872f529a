/**
 * Starting jobs: where each begins, the submission to its node, and the record on disk that must be there first.
 *
 * Invariant (I1 of the README): a node is told of a life of a job, and of the end of one, only when that is on disk. A hypervisor that
 * begins anew would otherwise give the same life to two nodes, or run an ended job again.
 */
import { closeSpan, openSpan, persist, send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { isOverdue, type Said } from "@backplane/foundation-actor/repeats"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { nodeActor, type Seat } from "@backplane/scenario-machine/topology"
import { RETRY_TICKS, RETRY_TICKS_MAX, type HypervisorContext, type Out } from "./hypervisor-context.ts"
import { recordOf, type Job, type JobTable } from "./job-table.ts"
import type { NodeWatch } from "./node-watch.ts"
import { dealJobs, placeOne } from "./placement.ts"
import { Writes } from "./writes.ts"

export const RECORD_PREFIX = "job/"

export class JobStarts {
  readonly #context: HypervisorContext
  readonly #jobs: JobTable
  readonly #watch: NodeWatch
  readonly #writes = new Writes()
  /** Lives of jobs that their nodes have not taken up, when they were repeated. */
  #repeated: ReadonlyMap<string, Said> = new Map()
  /** Who waits to hear that the end of a job has been seen. */
  readonly #confirmations = new Map<string, { readonly to: ActorId; readonly attempt: number }>()

  constructor(parts: { readonly context: HypervisorContext; readonly jobs: JobTable; readonly watch: NodeWatch }) {
    this.#context = parts.context
    this.#jobs = parts.jobs
    this.#watch = parts.watch
  }

  /** The jobs of the first tick are dealt all at once. */
  dealFirst(out: Out): void {
    const first = this.#jobs.inState("due").filter((job) => job.spec.arrival === 0 && job.attempt === 1)
    for (const [job, place] of dealJobs(first, this.#context.seats[0] as Seat, this.#context.spec.topology)) {
      job.queue = place.queue
      job.node = place.node
      this.#submit(job, out)
    }
  }

  /** Begins a life of the job where it fits best, or leaves it due where no node that may run it lives. */
  place(job: Job, out: Out): void {
    const others = this.#jobs.inState("submitted", "live").filter((other) => other !== job)
    const { seats, spec, offline } = this.#context
    const seat = seats[0] as Seat
    const place = placeOne(job, { seat, offline, topology: spec.topology, others, deadNodes: this.#watch.lostNodes() })
    if (place === null) {
      job.state = "due"
      this.keep(job, out)
      return
    }
    job.node = place.node
    job.queue = place.queue
    this.#submit(job, out)
  }

  #submit(job: Job, out: Out): void {
    job.state = "submitted"
    const attributes = { "backplane.task": job.spec.name, "backplane.node": job.node, "backplane.queue": job.queue }
    // A life that is begun again belongs to the trace of the loss, which is open already.
    if (job.attempt === 1 && job.spec.vcpu === undefined) out.push(openSpan(startSpan(job), "task.submit", attributes, { root: true }))
    job.nodeLife = 0
    this.#address(job, out)
  }

  /** A life of a job goes to one life of one node. Before the node's first word that is not known, and nothing is sent. */
  #address(job: Job, out: Out): void {
    job.nodeLife = this.#watch.incarnationOf(job.node)
    if (job.nodeLife > 0) this.keep(job, out)
  }

  /** The node has said its first word to us: what waits for it can be sent. */
  onFirstReport(node: number, out: Out): void {
    for (const job of this.#jobs.inState("submitted")) if (job.node === node && job.nodeLife === 0) this.#address(job, out)
  }

  /** The node has answered. */
  answered(job: Job, out: Out, refusal?: string): void {
    out.push(refusal === undefined ? closeSpan(startSpan(job)) : closeSpan(startSpan(job), {}, refusal))
    this.keep(job, out)
  }

  /** What is to be written of the job is not on disk yet. */
  isPending(name: string): boolean {
    return this.#writes.isPending(name)
  }

  /** Writes down what became of the job. What has to be said of it is said when that is on disk. */
  keep(job: Job, out: Out): void {
    this.#writes.begin(job.spec.name)
    out.push(persist(`${RECORD_PREFIX}${job.spec.name}`, recordOf(job)))
  }

  /** A job that ended long ago is forgotten. */
  forget(name: string, out: Out): void {
    this.#writes.begin(name)
    out.push(persist(`${RECORD_PREFIX}${name}`, null))
  }

  /** Tells `to` that the end of this life has been seen, as soon as it is on disk. */
  confirm(job: Job, to: ActorId, out: Out): void {
    const { name } = job.spec
    this.#confirmations.set(name, { to, attempt: job.attempt })
    if (!this.#writes.isPending(name)) this.#sendConfirmation(name, out)
  }

  /** Something is on disk; other keys than those of jobs are not ours. */
  onPersisted(key: string, out: Out): void {
    if (!key.startsWith(RECORD_PREFIX)) return
    const name = key.slice(RECORD_PREFIX.length)
    if (!this.#writes.end(name)) return
    const job = this.#jobs.get(name)
    if (job?.state === "submitted" && job.nodeLife > 0) this.#sendSubmit(job, out)
    this.#sendConfirmation(name, out)
  }

  repeat(now: VirtualTime, out: Out): void {
    const { tickCycles } = this.#context.spec.clock
    const patience = { least: RETRY_TICKS * tickCycles, most: RETRY_TICKS_MAX * tickCycles }
    const before = this.#repeated
    const repeated = new Map<string, Said>()
    this.#repeated = repeated
    for (const job of this.#jobs.inState("submitted")) {
      const { name } = job.spec
      if (job.nodeLife === 0 || this.#writes.isPending(name)) continue
      // A new life of the job, or one for a new life of the node, is a new question.
      const life = `${name}/${job.attempt}/${job.node}/${job.nodeLife}`
      const said = before.get(life) ?? { firstAt: now, lastAt: now }
      repeated.set(life, said)
      if (before.has(life) && !isOverdue(said, now, patience)) continue
      said.lastAt = now
      this.#sendSubmit(job, out)
    }
  }

  #sendSubmit(job: Job, out: Out): void {
    const { name: task, run, workingSet, affinity, weight, phases, preferred, shares, space, gang, stall, guest, vcpu } = job.spec
    const { attempt, ordinal, tuned } = job
    const spec = {
      ...{ task, attempt, ordinal, run, workingSet, affinity: [...affinity] },
      ...(weight && { weight }),
      ...(tuned > 0 && { tuned }),
      ...(phases && { phases }),
      ...(preferred !== undefined && { preferred: [...preferred] }),
      ...(shares !== undefined && { shares: [...shares] }),
      ...(space !== undefined && { space }),
      ...(gang !== undefined && { gang }),
      ...(stall !== undefined && { stall }),
      ...(guest && { guest }),
      ...(vcpu && { vcpu }),
    }
    out.push(send(nodeActor(job.node), { kind: "TaskSubmit", spec, queue: job.queue, incarnation: job.nodeLife }, startSpan(job)))
  }

  #sendConfirmation(name: string, out: Out): void {
    const confirmation = this.#confirmations.get(name)
    if (confirmation === undefined) return
    this.#confirmations.delete(name)
    out.push(send(confirmation.to, { kind: "TaskFinishedSeen", task: name, attempt: confirmation.attempt }))
  }
}

/** The span that the start of this life of a job belongs to: its submission, or the restart after a loss. */
export function startSpan(job: Job): string {
  if (job.spec.vcpu !== undefined) return `vm/${job.spec.vcpu.vm}`
  return `${job.attempt === 1 ? "submit" : "restart"}/${job.spec.name}`
}
