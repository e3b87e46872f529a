/** Round robin that spreads over cores before it doubles up. See README.md beside this file. */
import type { TaskView } from "@backplane/schedule-contract/task-view"
import { MatchingDiscipline, type MatchingAccount, type Occupants } from "../matching.ts"
import { PolicyQueue } from "../policy-queue.ts"
import type { QueuePolicyKind } from "../queue-policy.ts"
import { placeOf, type QueueSettings } from "../queue-settings.ts"

/** A core to itself; a core with relatives; a core with strangers. */
const ALONE = 0
const AMONG_RELATIVES = 1
const AMONG_STRANGERS = 4
/** Another core than the last one, where its working set is; another thread of the same core, which shares the cache. */
const COLD_CORE = 2
const OTHER_THREAD = 0.5

function costOn(settings: QueueSettings) {
  const { cpus } = settings
  const coreOf = (cpu: number): number => placeOf(settings, cpu).core
  return (account: MatchingAccount, cpu: number, _now: number, occupants: Occupants): number => {
    const { view } = account
    const neighbours = cpus.flatMap((other) => (other !== cpu && coreOf(other) === coreOf(cpu) ? [occupants.get(other)] : []))
    const present = neighbours.filter((one) => one !== undefined)
    const company = present.length === 0 ? ALONE : present.every((one) => areRelatives(one.view, view)) ? AMONG_RELATIVES : AMONG_STRANGERS
    const isHome = view.lastCpu !== null && coreOf(view.lastCpu) === coreOf(cpu)
    return company + (isHome ? (view.lastCpu === cpu ? 0 : OTHER_THREAD) : view.warm ? COLD_CORE : OTHER_THREAD)
  }
}

/** Of one address space: they share what is in the cache. */
function areRelatives(a: TaskView, b: TaskView): boolean {
  return (a.space !== undefined && a.space === b.space) || (a.gang !== undefined && a.gang.name === b.gang?.name)
}

export const smt: QueuePolicyKind = {
  name: "smt",
  summary: "one queue; idle cores before second threads, relatives share a core",
  layout: "all",
  slices: "aligned",
  steal: "none",
  create: (settings) => new PolicyQueue(new MatchingDiscipline({ sliceTicks: settings.sliceTicks, cost: costOn(settings) })),
}
