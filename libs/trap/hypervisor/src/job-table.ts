/**
 * Every job of the machine and what became of it.
 *
 * Invariants: an attempt is begun only after the one before it was given up; a job that is finished stays finished, once.
 */
import { defined } from "@backplane/foundation-base/assert"
import type { Json } from "@backplane/foundation-base/json"
import type { GuestOutcome } from "@backplane/compute-contract/guest-state"
import type { JobSpec } from "@backplane/scenario-machine/machine-spec"
import type { VcpuRef } from "@backplane/scenario-machine/vm-spec"

export type JobState =
  /** Known, not yet due or not yet told to a node. */
  | "due"
  /** Told to a node, no answer yet. */
  | "submitted"
  | "live"
  | "finished"
  /** The node that held it is gone, and it is not restartable. */
  | "lost"
  /** No node could take it. */
  | "rejected"

/** A vCPU is a job that its VM made: it lives and ends with it (vm-lives.ts). */
export type TaskOfJob = JobSpec & { readonly vcpu?: VcpuRef }

export interface Job {
  /** Its affinity and weight may change. */
  spec: TaskOfJob
  /** Such changes so far. */
  tuned: number
  readonly ordinal: number
  state: JobState
  /** Lives begun: 1 for a job that was never restarted. */
  attempt: number
  /** Node that it lies on, as far as known. */
  node: number
  /** Life of that node that this life of the job was submitted to; 0: to none yet. */
  nodeLife: number
  /** Queue that it was dealt to. */
  queue: string
  /** First tick after its last, once finished. */
  finishTick: number | null
  /** Of a guest that has ended: what came of it. */
  outcome: GuestOutcome | null
  /** Why it was rejected or lost. */
  reason: string
  /** Reports of its node in a row that did not mention it. */
  unseen: number
}

/** Finished jobs that a machine with unending arrivals remembers. */
const ENDED_MAX = 10_000

export class JobTable {
  readonly #jobs = new Map<string, Job>()
  #ordinals = 0
  /** Ended jobs that were forgotten. */
  forgotten = 0

  /** `attempt`: its first life here; for a vCPU the life of its VM. */
  add(spec: TaskOfJob, ordinal = this.#ordinals, attempt = 1): Job {
    this.#ordinals = Math.max(this.#ordinals, ordinal + 1)
    const job: Job = {
      spec,
      tuned: 0,
      ordinal,
      state: "due",
      attempt,
      node: 0,
      nodeLife: 0,
      queue: "all",
      finishTick: null,
      outcome: null,
      reason: "",
      unseen: 0,
    }
    this.#jobs.set(spec.name, job)
    return job
  }

  get(name: string): Job | undefined {
    return this.#jobs.get(name)
  }

  /** In order of creation. */
  all(): readonly Job[] {
    return [...this.#jobs.values()]
  }

  inState(...states: readonly JobState[]): readonly Job[] {
    return this.all().filter((job) => states.includes(job.state))
  }

  /** A machine that runs for ever forgets its oldest ended jobs, but none of the `listed` first ones. Returns their names. */
  forgetOldest(listed: number): readonly string[] {
    const ended = this.inState("finished", "lost", "rejected").filter((job) => job.ordinal >= listed)
    const names = ended.slice(0, Math.max(0, ended.length - ENDED_MAX)).map((job) => job.spec.name)
    for (const name of names) this.#jobs.delete(name)
    this.forgotten += names.length
    return names
  }

  remove(job: Job): void {
    if (this.#jobs.get(job.spec.name) === job) this.#jobs.delete(job.spec.name)
  }

  get size(): number {
    return this.#jobs.size
  }

  /** Takes over what an earlier life wrote down; of the `listed` jobs, those without a record have not begun. */
  restore(records: readonly Json[], listed: readonly JobSpec[]): void {
    // Copies: what the store hands out is not ours to change.
    const kept = new Map(records.map((record) => ({ ...(record as unknown as Job) })).map((job) => [job.spec.name, job]))
    for (const [ordinal, spec] of listed.entries()) {
      const job = kept.get(spec.name)
      if (job === undefined) this.add(spec, ordinal)
      else this.#restoreOne({ ...job, spec: withTuning(spec, job) })
      kept.delete(spec.name)
    }
    for (const job of [...kept.values()].sort((a, b) => a.ordinal - b.ordinal)) this.#restoreOne(job)
  }

  #restoreOne(job: Job): void {
    this.#jobs.set(job.spec.name, job)
    this.#ordinals = Math.max(this.#ordinals, job.ordinal + 1)
  }

  mustGet(name: string): Job {
    return defined(this.#jobs.get(name), `job ${name} is known`)
  }
}

/** The scenario's description, with the affinity and weight that the job was given since. */
function withTuning(spec: JobSpec, { tuned = 0, spec: { affinity, weight } }: Job): JobSpec {
  return tuned === 0 ? spec : { ...spec, affinity, ...(weight !== undefined && { weight }) }
}

/** A job as it is kept on disk: without the guest, whose image the machine's description has. */
export function recordOf(job: Job): Json {
  const { spec, ...rest } = job
  const { guest: _, ...plain } = spec
  return { ...rest, spec: { ...plain, affinity: [...spec.affinity] } }
}
