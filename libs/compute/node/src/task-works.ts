/**
 * What the tasks that lie here are run with: per task the engine's side of it, opened when it first runs, closed when it is over or left.
 *
 * Invariant: at most one a task; what the token needs (`left`, `guest`) is written back before the task leaves.
 */
import type { GuestOutcome } from "@backplane/compute-contract/guest-state"
import type { EngineTask, TaskEngine, TaskMail, TaskProgress } from "@backplane/compute-contract/task-engine"
import type { TaskSpec, TaskToken } from "@backplane/compute-contract/task-messages"
import type { VmHost } from "@backplane/trap-contract/vm-host"
import type { Task } from "./task-table.ts"

/** The engines of a node's CPUs, as the app gives them. */
export interface TaskEngines {
  readonly jobs: TaskEngine
  /** Absent: this node runs no guests. */
  readonly guests?: TaskEngine
  /** Absent: this node runs no VMs. */
  readonly vms?: VmHost
}

export class TaskWorks {
  readonly #engines: TaskEngines
  readonly #open = new Map<string, { readonly attempt: number; readonly work: EngineTask }>()

  constructor(engines: TaskEngines) {
    this.#engines = engines
  }

  /** A reason why the task cannot run here, or null. */
  refusal(spec: TaskSpec, progress: TaskProgress | null = null): string | null {
    const engine = this.#engineOf(spec)
    const what = spec.vcpu === undefined ? "guests" : "VMs"
    return engine === undefined ? `this node runs no ${what}` : engine.refusal(spec, progress)
  }

  of(task: Task): EngineTask {
    const { spec, left, part, guest } = task
    const known = this.#open.get(spec.task)
    if (known?.attempt === spec.attempt) return known.work
    known?.work.close()
    // Where no engine was given the task was refused when it came.
    const work = (this.#engineOf(spec) ?? this.#engines.jobs).open(spec, { left, ...(part && { part }), ...(guest && { guest }) })
    // They are the work's now, and grow old.
    delete task.guest
    delete task.part
    this.#open.set(spec.task, { attempt: spec.attempt, work })
    return work
  }

  /** Something from outside for a task that lies here. */
  receive(task: Task, mail: TaskMail): "taken" | "again" | "refused" {
    return this.of(task).receive?.(mail) ?? "refused"
  }

  /** Tasks that their engines have found to be able to go on. */
  takeWakes(): readonly string[] {
    const { jobs, guests, vms } = this.#engines
    return [...(jobs.takeWakes?.() ?? []), ...(guests?.takeWakes?.() ?? []), ...(vms?.takeWakes?.() ?? [])]
  }

  /** The task ends here; what came of it. */
  end(task: Task): GuestOutcome | null {
    const outcome = this.of(task).outcome()
    this.close(task.spec)
    return outcome
  }

  /** The task leaves: its token with all that its engine knows of it. A capture stands for the image from now on. */
  leave(token: TaskToken): TaskToken {
    const progress = this.#open.get(token.spec.task)?.work.progress()
    this.close(token.spec)
    const moved: TaskToken = { ...token, ...progress }
    if (moved.guest === undefined || moved.spec.guest === undefined) return moved
    const { image: _, ...guest } = moved.spec.guest
    return { ...moved, spec: { ...moved.spec, guest } }
  }

  /** The task is over or gone. */
  close({ task }: { readonly task: string }): void {
    this.#open.get(task)?.work.close()
    this.#open.delete(task)
  }

  /** What runs VMs here: it also talks with the hypervisor. */
  get vms(): VmHost | null {
    return this.#engines.vms ?? null
  }

  #engineOf({ guest, vcpu }: TaskSpec): TaskEngine | undefined {
    if (vcpu !== undefined) return this.#engines.vms
    return guest === undefined ? this.#engines.jobs : this.#engines.guests
  }
}
