/** Tasks that get another affinity, weight or hint while they live: on disk first, then told to the node that holds the task until it says so. */
import { send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { TaskTuned } from "@backplane/compute-contract/machine-messages"
import type { SpaceShared } from "@backplane/memory-contract/memory-messages"
import { cpusOfNode, nodeActor } from "@backplane/scenario-machine/topology"
import { WEIGHT_DEFAULT } from "@backplane/schedule-contract/task-view"
import type { TuneAsk } from "@backplane/trap-contract/operator-messages"
import type { HypervisorContext, Out } from "./hypervisor-context.ts"
import { RECORD_PREFIX, type JobStarts } from "./job-starts.ts"
import type { Job, JobTable } from "./job-table.ts"

/** Tasks in one hint. */
const SHARES_MAX = 16

export interface Tuning {
  readonly affinity?: readonly number[] | undefined
  readonly weight?: number | undefined
  readonly shares?: readonly string[] | undefined
}

export class Tunings {
  readonly #context: HypervisorContext
  readonly #jobs: JobTable
  readonly #starts: JobStarts
  /** Tasks whose node has not confirmed. */
  readonly #waiting = new Set<string>()
  /** Tasks whose hint comes from the memory that they run in. */
  readonly #hinted = new Set<string>()

  constructor(parts: { readonly context: HypervisorContext; readonly jobs: JobTable; readonly starts: JobStarts }) {
    this.#context = parts.context
    this.#jobs = parts.jobs
    this.#starts = parts.starts
  }

  get isUnderWay(): boolean {
    return this.#waiting.size > 0
  }

  /** An earlier life may not have got round to telling. */
  restore(): void {
    for (const job of this.#jobs.inState("submitted", "live")) if (job.tuned > 0) this.#waiting.add(job.spec.name)
  }

  onAsk(from: ActorId, { request, task, affinity, weight, shares }: TuneAsk, out: Out): void {
    const reason = this.tune(task, { affinity, weight, shares }, out)
    out.push(send(from, { kind: "MachineAnswer", request, state: reason === null ? "done" : "refused", reason: reason ?? "" }))
  }

  /** Tasks that run in this memory on nodes that write the same pages of it in turn had better run near by. */
  onShared({ space, nodes }: SpaceShared, out: Out): void {
    const own = this.#jobs.inState("submitted", "live").filter(({ spec }) => spec.space === space)
    const sharing = own.filter(({ node }) => nodes.includes(node)).map(({ spec }) => spec.name)
    for (const { spec } of own) {
      const { name, shares: known = [] } = spec
      const shares = sharing.includes(name) ? sharing.filter((other) => other !== name).slice(0, SHARES_MAX) : []
      // What an operator or the scenario said of a task that memory knows nothing of stands.
      if ((shares.length === 0 && !this.#hinted.has(name)) || known.join() === shares.join()) continue
      if (shares.length > 0) this.#hinted.add(name)
      else this.#hinted.delete(name)
      this.tune(name, { shares }, out)
    }
  }

  /** Null, or why not. */
  tune(name: string, tuning: Tuning, out: Out): string | null {
    const job = this.#jobs.get(name)
    if (job === undefined || !["due", "submitted", "live"].includes(job.state)) return `task: there is no task ${name} that is not over`
    const objection = this.#objection(job, tuning)
    if (objection !== null) return objection
    const { affinity = job.spec.affinity, weight = job.spec.weight, shares = job.spec.shares } = tuning
    job.spec = { ...job.spec, affinity: [...affinity], ...(weight !== undefined && { weight }), ...(shares && { shares: [...shares] }) }
    job.tuned++
    if (job.state !== "due") this.#waiting.add(name)
    this.#starts.keep(job, out)
    return null
  }

  #objection(job: Job, { affinity, weight, shares }: Tuning): string | null {
    const { topology } = this.#context.spec
    if (affinity === undefined && weight === undefined && shares === undefined) return "affinity, weight or shares: say which"
    if (shares?.includes(job.spec.name) === true) return `shares: ${job.spec.name} is the task itself`
    if (affinity === undefined || affinity.length === 0) return null
    const wrong = affinity.find((cpu) => cpu >= topology.cpus)
    if (wrong !== undefined) return `affinity: there is no CPU ${wrong}; there are 0 to ${topology.cpus - 1}`
    if (affinity.every((cpu) => this.#context.offline.has(cpu)))
      return `affinity: CPU ${affinity.join(", ")} is off line; name one that is there`
    if (job.spec.vcpu === undefined) return null
    const { from, to } = cpusOfNode(topology, job.node)
    if (affinity.every((cpu) => cpu >= from && cpu < to)) return null
    return `affinity: ${job.spec.name} is a vCPU of a VM on node ${job.node}; name CPUs from ${from} to ${to - 1}`
  }

  repeat(out: Out): void {
    for (const name of this.#waiting) {
      const job = this.#jobs.get(name)
      if (job === undefined || !["submitted", "live"].includes(job.state)) this.#waiting.delete(name)
      else if (!this.#starts.isPending(name)) this.#tell(job, out)
    }
  }

  /** The change of a task is on disk. */
  onPersisted(key: string, out: Out): void {
    const job = key.startsWith(RECORD_PREFIX) ? this.#jobs.get(key.slice(RECORD_PREFIX.length)) : undefined
    if (job?.state === "live" && this.#waiting.has(job.spec.name) && !this.#starts.isPending(job.spec.name)) this.#tell(job, out)
  }

  #tell({ spec, attempt, tuned, node }: Job, out: Out): void {
    const { name: task, affinity, weight = WEIGHT_DEFAULT, shares } = spec
    const hint = shares === undefined ? {} : { shares: [...shares] }
    out.push(send(nodeActor(node), { kind: "TaskTune", task, attempt, tuned, affinity: [...affinity], weight, ...hint }))
  }

  onTuned({ task, attempt, tuned }: TaskTuned): void {
    const job = this.#jobs.get(task)
    if (job?.attempt === attempt && tuned >= job.tuned) this.#waiting.delete(task)
  }
}
