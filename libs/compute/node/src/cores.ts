/**
 * The CPUs of this node as hardware threads: which share a core (its pipes and its cache), and under which conditions each runs.
 *
 * Conditions change only when something is put on or taken off a thread of the core, when a set gets into its cache, or when a wait
 * without sleep is over; then the dispatcher settles what ran so far and plans the rest anew.
 */
import { cacheKeyOf } from "@backplane/compute-contract/task-engine"
import { CpuCache } from "@backplane/compute-synthetic/cpu-cache"
import { powerKindOf } from "@backplane/scenario-machine/power-spec"
import { coreOfCpu } from "@backplane/scenario-machine/topology"
import { Cpu, type Conditions } from "./cpu.ts"
import { loadOf, threadSpeeds, type ThreadLoad } from "./core-speed.ts"
import type { NodeContext } from "./node-context.ts"
import type { Task } from "./task-table.ts"

/** A wait without sleep looks again and again, and never waits for memory. */
const SPINNING: ThreadLoad = { compute: 1, stall: 0 }
const NEAR_PERCENT = 100

export class Cores {
  readonly #context: NodeContext
  readonly #siblings = new Map<Cpu, readonly Cpu[]>()
  /** In ascending order. */
  readonly cpus: readonly Cpu[]

  constructor(context: NodeContext) {
    this.#context = context
    const { topology, cache } = context.spec
    const caches = new Map<number, CpuCache>()
    const cacheOf = (cpu: number): CpuCache => {
      const core = coreOfCpu(topology, cpu)
      const known = caches.get(core) ?? new CpuCache(cache)
      caches.set(core, known)
      return known
    }
    this.cpus = context.cpus.map((index) => new Cpu(index, cacheOf(index), context.works))
    for (const cpu of this.cpus) {
      const core = coreOfCpu(topology, cpu.index)
      this.#siblings.set(
        cpu,
        this.cpus.filter((other) => other !== cpu && coreOfCpu(topology, other.index) === core),
      )
    }
  }

  /** The other threads of its core that run something. */
  busySiblings(cpu: Cpu): readonly Cpu[] {
    return (this.#siblings.get(cpu) ?? []).filter(({ state }) => state.kind === "running")
  }

  /** Under which `task` runs on `cpu` from now on. */
  conditions(cpu: Cpu, task: Task, spins: boolean): Conditions {
    const siblings = this.busySiblings(cpu)
    const loads = [this.#loadOn(cpu, task, spins)]
    const key = cacheKeyOf(task.spec)
    const isShared = (this.#siblings.get(cpu) ?? []).length > 0
    let warmers = isShared ? 1 : 0
    for (const sibling of siblings) {
      if (sibling.state.kind !== "running") continue
      loads.push(this.#loadOn(sibling, sibling.state.task, sibling.state.spins))
      if (!sibling.state.spins && cacheKeyOf(sibling.state.task.spec) === key) warmers++
    }
    return { speed: threadSpeeds(loads)[0] ?? 1, spins, warmers }
  }

  #loadOn(cpu: Cpu, { spec, home }: Task, spins: boolean): ThreadLoad {
    if (spins) return SPINNING
    const { topology, power } = this.#context.spec
    const capacity = powerKindOf(power, cpu.index).speeds[cpu.speedIndex]?.capacity ?? 1
    const memoryPercent = home === this.#context.node ? NEAR_PERCENT : (topology.remotePercent ?? NEAR_PERCENT)
    return loadOf(spec.stall ?? 0, { capacity, memoryPercent })
  }
}
