/** One queue for all CPUs that keeps most tasks where they are. See README.md beside this file. */
import type { TaskView } from "@backplane/schedule-contract/task-view"
import { PolicyQueue } from "../policy-queue.ts"
import { PreferringDiscipline } from "../preferring.ts"
import type { QueuePolicyKind } from "../queue-policy.ts"

/** The oldest is passed over so often at most. */
export const AFFINITY_PASSES_MAX = 4

/** It was advised to run here, or its cache is here; it has no cache yet; its cache is elsewhere. */
function misfit({ lastCpu, preferred = [] }: TaskView, cpu: number): number {
  if (preferred.length > 0) return preferred.includes(cpu) ? 0 : 2
  return lastCpu === cpu ? 0 : lastCpu === null ? 1 : 2
}

export const sqmsAffinity: QueuePolicyKind = {
  name: "sqms-affinity",
  summary: "one queue for all CPUs; a CPU prefers those that ran on it last",
  layout: "all",
  slices: "aligned",
  steal: "none",
  create: ({ sliceTicks }) =>
    new PolicyQueue(new PreferringDiscipline({ sliceTicks, misfit, misfitMost: 2, passesMax: AFFINITY_PASSES_MAX })),
}
