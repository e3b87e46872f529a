/**
 * What this scheduler believes of its CPUs: idle (and since which idle period) or not, and the decisions that are on their way to each.
 *
 * Invariants: a decision on its way names the idle period it answers; the same idle period stated again gets the same decision again.
 * A decision that came to nothing gives its claim back: a claim is never forgotten, only found void (I2 of the README).
 *
 * Nobody says that a decision was done: it shows in what the CPU says next. So below a preemption there is the decision whose task it is
 * to take off, which may itself still be on its way.
 */
import type { Decision } from "@backplane/schedule-contract/scheduler-messages"
import type { TaskView } from "@backplane/schedule-contract/task-view"

export type Run = Extract<Decision, { type: "RUN" }>

interface Sent {
  readonly run: Run
  readonly task: TaskView
}

interface CpuClaim {
  idleSeq: number
  idle: boolean
  /** Decisions of which nothing was heard since, with the claims that they used, oldest first: one, and at most one preemption. */
  sent: readonly Sent[]
  /** The choice that it was given for when it is free, and the claim that it uses. */
  next: Sent | null
  /** Such a choice was refused since it says to run what it runs: it is asked when it is idle, and not before. */
  isAskedLater: boolean
  isOffline: boolean
  /** The choice made ahead that the CPU has said to run. */
  taken: Sent | null
}

export class CpuClaims {
  readonly #cpus = new Map<number, CpuClaim>()

  #of(cpu: number): CpuClaim {
    let claim = this.#cpus.get(cpu)
    if (claim === undefined)
      this.#cpus.set(cpu, (claim = { idleSeq: 0, idle: false, sent: [], next: null, isAskedLater: false, isOffline: false, taken: null }))
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

  /** Somebody waits for a CPU to be free, as it was told ahead. */
  get hasNext(): boolean {
    return [...this.#cpus.values()].some(({ next }) => next !== null)
  }

  /** Whether the CPU was told to run the task, now or next. */
  isSent(cpu: number, task: string): boolean {
    const claim = this.#of(cpu)
    return [...claim.sent, ...nextOf(claim)].some((one) => one.task.task === task)
  }

  /** The one decision by which the CPU runs what it runs, as far as is known. */
  runOf(cpu: number): Run | null {
    const { idleSeq, idle, sent, taken } = this.#of(cpu)
    if (idle || idleSeq === 0 || sent.length > 1) return null
    return (sent[0] ?? taken)?.run ?? null
  }

  /** As far as has been heard. */
  isOnline(cpu: number): boolean {
    return !this.#of(cpu).isOffline
  }

  /** A CPU that runs something, or is about to, and to which no preemption is on its way. */
  mayPreempt(cpu: number): boolean {
    const { idleSeq, idle, sent } = this.#of(cpu)
    return idleSeq > 0 && !idle && sent.length <= 1
  }

  /**
   * The CPU says that it is idle. `again`: the decision to say again where it is the same idle period and one is on its way. `unused`:
   * the claims of decisions that came to nothing, for had they been done, the CPU would have said so before.
   */
  onIdle(cpu: number, idleSeq: number): { readonly again?: Run; readonly unused: readonly TaskView[] } {
    const claim = this.#of(cpu)
    if (idleSeq < claim.idleSeq) return { unused: [] }
    const next = nextOf(claim)
    claim.next = null
    const { sent } = claim
    const first = sent[0]
    if (idleSeq === claim.idleSeq && first !== undefined) {
      claim.sent = [first] // nothing is there to preempt
      return { again: first.run, unused: tasksOf([...sent.slice(1), ...next]) }
    }
    claim.idleSeq = idleSeq
    claim.idle = true
    claim.isAskedLater = false
    claim.isOffline = false
    claim.taken = null
    claim.sent = []
    return { unused: tasksOf([...sent, ...next]) }
  }

  /** CPUs that run something and have been told nothing for when that leaves, ascending. */
  withoutNext(): readonly number[] {
    return [...this.#cpus]
      .filter(([, { idleSeq, idle, next, isAskedLater }]) => idleSeq > 0 && !idle && next === null && !isAskedLater)
      .map(([cpu]) => cpu)
      .sort((a, b) => a - b)
  }

  sentNext(run: Run, task: TaskView): void {
    this.#of(run.cpu).next = { run, task }
  }

  /** A claim on a task that the CPU may run, of one that is to run next somewhere else: nothing has to wait for a CPU while another is idle. */
  takeBackFor(mayRun: (task: TaskView) => boolean): TaskView | undefined {
    for (const claim of this.#cpus.values()) {
      const task = claim.next?.task
      if (task === undefined || !mayRun(task)) continue
      claim.next = null
      return task
    }
    return undefined
  }

  /**
   * The CPU runs `task`, or did: what was on its way is done, or came too late. Returns the claims of the latter. A preemption that is on
   * its way to what runs may still be in time; where it is not, the CPU says that it is idle.
   */
  onRunning(cpu: number, task: string): readonly TaskView[] {
    const claim = this.#of(cpu)
    claim.taken = claim.next?.task.task === task ? claim.next : null
    if (claim.taken !== null) claim.next = null
    const index = claim.sent.findIndex((one) => one.task.task === task)
    const unused = claim.sent.slice(0, index < 0 ? claim.sent.length : index)
    claim.idle = false
    claim.isAskedLater = false
    claim.isOffline = false
    claim.sent = index < 0 ? [] : claim.sent.slice(index + 1)
    return tasksOf(unused)
  }

  /** The CPU has gone. Returns the claims of what was decided for it. */
  onOffline(cpu: number): readonly TaskView[] {
    const claim = this.#of(cpu)
    const unused = tasksOf([...claim.sent, ...nextOf(claim)])
    claim.next = null
    claim.idle = false
    claim.isOffline = true
    claim.taken = null
    claim.idleSeq = 0 // nothing to preempt; the next word of the CPU tells its number
    claim.sent = []
    return unused
  }

  /** The task's affinity or weight has changed: a claim that is given back has the new view. */
  onTuned(task: TaskView): void {
    const renewed = (one: Sent): Sent => (one.task.task === task.task && one.task.taskSeq === task.taskSeq ? { ...one, task } : one)
    for (const claim of this.#cpus.values()) {
      claim.sent = claim.sent.map(renewed)
      if (claim.next !== null) claim.next = renewed(claim.next)
    }
  }

  /** The task is gone: a decision on its way that names this state of it, or an older one, is void. */
  onGone(task: string, taskSeq: number): void {
    const isGood = (one: Sent): boolean => one.task.task !== task || one.task.taskSeq > taskSeq
    for (const claim of this.#cpus.values()) {
      claim.sent = claim.sent.filter(isGood)
      if (claim.next !== null && !isGood(claim.next)) claim.next = null
    }
  }

  sent(run: Run, task: TaskView): void {
    const claim = this.#of(run.cpu)
    claim.idle = false
    claim.sent = run.preempt === true ? [...claim.sent, { run, task }] : [{ run, task }]
  }

  /** The decision was refused. Returns the claim that it used. */
  refused(run: Run): TaskView | null {
    const claim = this.#of(run.cpu)
    if (run.next === true) {
      const { next } = claim
      if (next?.run !== run) return null
      claim.next = null
      // It may still be fetching its task from another node: it would refuse every choice until it has come.
      claim.isAskedLater = true
      return next.task
    }
    const refused = claim.sent.find((one) => one.run.idleSeq === run.idleSeq && one.run.task === run.task)
    if (refused === undefined) return null
    claim.sent = claim.sent.filter((one) => one !== refused)
    return refused.task
  }

  /** A decision came to nothing and the CPU is as it was; unless another is on its way, as after a preemption that found nothing to preempt. */
  setIdle(cpu: number): void {
    const claim = this.#of(cpu)
    claim.idle = claim.sent.length === 0
  }

  /** Decisions on their way to the CPUs of a node. */
  sentTo(cpus: ReadonlySet<number>): readonly Run[] {
    return [...this.#cpus].flatMap(([cpu, { sent }]) => (cpus.has(cpu) ? sent.map(({ run }) => run) : []))
  }

  /** What the CPUs were last told to run, as far as they have said nothing else since. */
  given(): readonly TaskView[] {
    return [...this.#cpus.values()].flatMap(({ sent }) => tasksOf(sent))
  }

  /** Tasks of the decisions on their way. */
  onTheirWay(): readonly string[] {
    return [...this.#cpus.values()].flatMap((claim) => [...claim.sent, ...nextOf(claim)].map(({ task }) => task.task))
  }

  /** Forgets what was known of these CPUs, or of all. Returns the claims of the decisions that were on their way there. */
  forget(cpus?: ReadonlySet<number>): readonly TaskView[] {
    const unused: TaskView[] = []
    for (const [cpu, claim] of [...this.#cpus]) {
      if (cpus !== undefined && !cpus.has(cpu)) continue
      this.#cpus.delete(cpu)
      unused.push(...tasksOf([...claim.sent, ...nextOf(claim)]))
    }
    return unused
  }
}

function tasksOf(sent: readonly Sent[]): readonly TaskView[] {
  return sent.map(({ task }) => task)
}

function nextOf({ next }: CpuClaim): readonly Sent[] {
  return next === null ? [] : [next]
}
