/** One queue for all CPUs, home node first. See README.md beside this file. */
import type { TaskView } from "@backplane/schedule-contract/task-view"
import { PolicyQueue } from "../policy-queue.ts"
import { PreferringDiscipline } from "../preferring.ts"
import type { QueuePolicyKind } from "../queue-policy.ts"
import { placeOf, type QueueSettings } from "../queue-settings.ts"

/** The oldest is passed over so often at most. Moving to another node costs more than moving to another CPU. */
export const NUMA_PASSES_MAX = 8

/** Its cache and memory are here; its memory is on this node; all is far. */
function misfitOn(settings: QueueSettings): (view: TaskView, cpu: number) => number {
  return ({ node, home, lastCpu }, cpu) => (placeOf(settings, cpu).node !== (home ?? node) ? 2 : lastCpu === cpu ? 0 : 1)
}

export const numa: QueuePolicyKind = {
  name: "numa",
  summary: "one queue; a CPU prefers tasks whose memory is on its node",
  layout: "all",
  slices: "aligned",
  steal: "none",
  create: (settings) => {
    const { sliceTicks } = settings
    return new PolicyQueue(new PreferringDiscipline({ sliceTicks, misfit: misfitOn(settings), misfitMost: 2, passesMax: NUMA_PASSES_MAX }))
  },
}
