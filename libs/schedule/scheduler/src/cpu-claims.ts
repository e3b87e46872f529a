/**
 * What this scheduler believes of its CPUs: idle (and since which idle period) or not, and the decision that is on its way to each.
 *
 * Invariants: a decision on its way names the idle period it answers; the same idle period stated again gets the same decision again.
 * A decision that came to nothing gives its claim back: a claim is never forgotten, only found void (I2 of the README).
 */
import type { Decision } from "@backplane/schedule-contract/scheduler-messages"
import type { TaskView } from "@backplane/schedule-contract/task-view"

export type Run = Extract<Decision, { type: "RUN" }>

interface CpuClaim {
  idleSeq: number
  idle: boolean
  /** The decision on its way, and the claim that it used. */
  sent: { readonly run: Run; readonly task: TaskView } | null
}

export class CpuClaims {
  readonly #cpus = new Map<number, CpuClaim>()

  #of(cpu: number): CpuClaim {
    let claim = this.#cpus.get(cpu)
    if (claim === undefined) this.#cpus.set(cpu, (claim = { idleSeq: 0, idle: false, sent: null }))
    return claim
  }

  /** CPUs without work, ascending. */
  idleCpus(): readonly number[] {
    return [...this.#cpus]
      .filter(([, claim]) => claim.idle)
      .map(([cpu]) => cpu)
      .sort((a, b) => a - b)
  }

  idleSeq(cpu: number): number {
    return this.#of(cpu).idleSeq
  }

  /**
   * The CPU says that it is idle. `again`: the decision to say again where it is the same idle period and one is on its way. `unused`:
   * the claim of a decision that came to nothing, for had it been done, the CPU would have said so before.
   */
  onIdle(cpu: number, idleSeq: number): { readonly again?: Run; readonly unused?: TaskView } {
    const claim = this.#of(cpu)
    if (idleSeq < claim.idleSeq) return {}
    const { sent } = claim
    if (idleSeq === claim.idleSeq && sent !== null) return { again: sent.run }
    claim.idleSeq = idleSeq
    claim.idle = true
    claim.sent = null
    return sent === null ? {} : { unused: sent.task }
  }

  /** The CPU runs `task`, or did: what was on its way is done, or came too late. Returns the claim of the latter. */
  onRunning(cpu: number, task: string): TaskView | null {
    const claim = this.#of(cpu)
    const { sent } = claim
    claim.idle = false
    claim.sent = null
    return sent === null || sent.task.task === task ? null : sent.task
  }

  /** The task is gone: a decision on its way that names this state of it, or an older one, is void. */
  onGone(task: string, taskSeq: number): void {
    for (const claim of this.#cpus.values()) if (claim.sent?.task.task === task && claim.sent.task.taskSeq <= taskSeq) claim.sent = null
  }

  sent(run: Run, task: TaskView): void {
    const claim = this.#of(run.cpu)
    claim.idle = false
    claim.sent = { run, task }
  }

  /** The decision was refused. Returns the claim that it used. */
  refused(run: Run): TaskView | null {
    const claim = this.#of(run.cpu)
    if (claim.sent?.run.idleSeq !== run.idleSeq || claim.sent.run.task !== run.task) return null
    const { task } = claim.sent
    claim.sent = null
    return task
  }

  setIdle(cpu: number): void {
    this.#of(cpu).idle = true
  }

  /** Decisions on their way to the CPUs of a node. */
  sentTo(cpus: ReadonlySet<number>): readonly Run[] {
    return [...this.#cpus].flatMap(([cpu, claim]) => (claim.sent !== null && cpus.has(cpu) ? [claim.sent.run] : []))
  }

  /** Tasks of the decisions on their way. */
  onTheirWay(): readonly string[] {
    return [...this.#cpus.values()].flatMap((claim) => (claim.sent === null ? [] : [claim.sent.task.task]))
  }

  /** Forgets what was known of these CPUs, or of all. Returns the claims of the decisions that were on their way there. */
  forget(cpus?: ReadonlySet<number>): readonly TaskView[] {
    const unused: TaskView[] = []
    for (const [cpu, { sent }] of [...this.#cpus]) {
      if (cpus !== undefined && !cpus.has(cpu)) continue
      this.#cpus.delete(cpu)
      if (sent !== null) unused.push(sent.task)
    }
    return unused
  }
}
