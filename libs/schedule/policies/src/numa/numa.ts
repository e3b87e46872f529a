/** One queue for all CPUs, home node first. See README.md beside this file. */
import type { TaskView } from "@backplane/schedule-contract/task-view"
import { PolicyQueue } from "../policy-queue.ts"
import { PreferringDiscipline, type PreferringOptions } from "../preferring.ts"
import type { QueuePolicyKind } from "../queue-policy.ts"
import { placeOf, type QueueSettings } from "../queue-settings.ts"

/** The oldest is passed over so often at most. Moving to another node costs more than moving to another CPU. */
export const NUMA_PASSES_MAX = 8
const MISFIT_MOST = 4

/**
 * Its cache and memory are here, and so are those that it shares pages with; only its memory; its memory, and they are elsewhere; its memory
 * is far. Of those whose memory is far a task that shares with somebody here comes first: what they share is written by both.
 */
function fit(settings: QueueSettings): Pick<PreferringOptions, "misfit" | "onTaken" | "onGone"> {
  /** Where each task runs, or ran last. */
  const cpus = new Map<string, number>()
  const nodeOf = (cpu: number): number => placeOf(settings, cpu).node
  const misfit = ({ node, home, lastCpu, shares = [] }: TaskView, cpu: number): number => {
    const partners = shares.flatMap((task) => cpus.get(task) ?? [])
    const isNear = partners.some((partner) => nodeOf(partner) === nodeOf(cpu))
    if (nodeOf(cpu) !== (home ?? node)) return isNear ? 3 : MISFIT_MOST
    return partners.length > 0 && !isNear ? 2 : lastCpu === cpu ? 0 : 1
  }
  return { misfit, onTaken: (task, cpu) => cpus.set(task, cpu), onGone: (task) => cpus.delete(task) }
}

export const numa: QueuePolicyKind = {
  name: "numa",
  summary: "one queue; a CPU prefers tasks whose memory is on its node",
  layout: "all",
  slices: "aligned",
  steal: "none",
  create: (settings) => {
    const { sliceTicks } = settings
    const options = { sliceTicks, ...fit(settings), misfitMost: MISFIT_MOST, passesMax: NUMA_PASSES_MAX }
    return new PolicyQueue(new PreferringDiscipline(options))
  },
}
