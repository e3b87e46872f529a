/**
 * What CPUs are told that wait for nobody: what one that runs takes next, that it may go on with what it has, how deep an idle one may sleep.
 *
 * All of it comes after the idle CPUs have had what the queue holds: nothing is chosen ahead for one CPU that another could run now.
 */
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { nodeOfCpu } from "@backplane/scenario-machine/topology"
import type { Run, CpuClaims } from "./cpu-claims.ts"
import { Keeping } from "./keeping.ts"
import type { NodeLinks } from "./node-links.ts"
import type { RunQueue } from "./run-queue.ts"
import type { Out, SchedulerContext } from "./scheduler-context.ts"

export class ChoicesAhead {
  readonly #context: SchedulerContext
  readonly #queue: RunQueue
  readonly #claims: CpuClaims
  readonly #links: NodeLinks
  readonly #keeping: Keeping
  /** The depth that an idle CPU was told last. */
  readonly #sleeps = new Map<number, { readonly idleSeq: number; readonly depth: number }>()

  constructor(parts: {
    readonly context: SchedulerContext
    readonly queue: RunQueue
    readonly claims: CpuClaims
    readonly links: NodeLinks
  }) {
    this.#context = parts.context
    this.#queue = parts.queue
    this.#claims = parts.claims
    this.#links = parts.links
    this.#keeping = new Keeping(parts.context)
  }

  /** Another policy begins. */
  forget(): void {
    this.#keeping.forget()
  }

  /** The idle CPUs have been served. */
  decide(now: VirtualTime, tick: number, out: Out): void {
    const { policy, cpus, mayPrefetch } = this.#context
    // Policies that hold CPUs back choose when they must.
    if (mayPrefetch && policy.leavesIdle === undefined) {
      this.#prefetch(tick)
      for (const cpu of cpus) this.#keeping.onRun(now, cpu, this.#claims.runOf(cpu), out)
    }
    this.#putToSleep(tick)
  }

  /** While CPUs run: what each takes when it is free. Not a gang, which is chosen together. */
  #prefetch(tick: number): void {
    const { spec } = this.#context
    for (const cpu of this.#claims.withoutNext()) {
      if (this.#queue.length === 0 || this.#claims.idleCpus().length > 0) return
      const task = this.#queue.pick(cpu, tick)
      if (task === undefined) continue
      const { task: name, taskSeq } = task
      const node = nodeOfCpu(spec.topology, cpu)
      const idleSeq = this.#claims.idleSeq(cpu)
      const until = this.#context.sliceTicksOf(this.#queue.sliceTicks(name)) * spec.clock.tickCycles
      const run: Run = { type: "RUN", cpu, task: name, taskSeq, at: task.node, until, idleSeq, next: true }
      if (task.node !== node || this.#queue.groupOf(name) !== undefined) {
        this.#queue.putBack(task, tick)
        continue
      }
      this.#claims.sentNext(run, task)
      this.#links.decide(node, run)
    }
  }

  /** A slice is nearly over (keeping.ts). Gangs end together: they are not kept. */
  onKeepTimer(key: string, out: Out): void {
    const { active, spec } = this.#context
    if (!active || this.#queue.length > 0 || this.#claims.hasNext || this.#claims.idleCpus().length > 0) return
    const mayGoOn = (cpu: number): Run | null => {
      const run = this.#claims.runOf(cpu)
      return run === null || this.#queue.groupOf(run.task) !== undefined ? null : run
    }
    const decision = this.#keeping.onTimer(key, mayGoOn, (task) => this.#queue.sliceTicks(task), out)
    if (decision?.type !== "KEEP") return
    this.#links.decide(nodeOfCpu(spec.topology, decision.cpu), decision)
    this.#links.flush(out)
  }

  /** What idles may do so as deep as the policy says. */
  #putToSleep(tick: number): void {
    for (const cpu of this.#claims.idleCpus()) {
      const depth = this.#queue.idleDepth(cpu, tick)
      const idleSeq = this.#claims.idleSeq(cpu)
      const said = this.#sleeps.get(cpu)
      if (depth === (said?.idleSeq === idleSeq ? said.depth : 0)) continue
      this.#sleeps.set(cpu, { idleSeq, depth })
      this.#links.decide(nodeOfCpu(this.#context.spec.topology, cpu), { type: "IDLE", cpu, idleSeq, depth })
    }
  }
}
