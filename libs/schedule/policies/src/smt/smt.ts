/** Round robin that spreads over cores before it doubles up. See README.md beside this file. */
import { MatchingDiscipline, type MatchingAccount, type Occupants } from "../matching.ts"
import { PolicyQueue } from "../policy-queue.ts"
import type { QueuePolicyKind } from "../queue-policy.ts"
import { placeOf, type QueueSettings } from "../queue-settings.ts"

/** A core to itself; a core with relatives; a core with strangers. Within each, the CPU it ran on last. */
const ALONE = 0
const AMONG_RELATIVES = 2
const AMONG_STRANGERS = 4

function costOn(settings: QueueSettings) {
  const { cpus } = settings
  return (account: MatchingAccount, cpu: number, _now: number, occupants: Occupants): number => {
    const { core } = placeOf(settings, cpu)
    const neighbours = cpus.flatMap((other) => (other !== cpu && placeOf(settings, other).core === core ? [occupants.get(other)] : []))
    const present = neighbours.filter((one) => one !== undefined)
    const areRelatives = present.every(({ view }) => view.gang !== undefined && view.gang.name === account.view.gang?.name)
    const company = present.length === 0 ? ALONE : areRelatives ? AMONG_RELATIVES : AMONG_STRANGERS
    return company + (account.view.lastCpu === cpu ? 0 : 1)
  }
}

export const smt: QueuePolicyKind = {
  name: "smt",
  summary: "one queue; idle cores before second threads, relatives share a core",
  layout: "all",
  slices: "aligned",
  steal: "none",
  create: (settings) => new PolicyQueue(new MatchingDiscipline({ sliceTicks: settings.sliceTicks, cost: costOn(settings) })),
}
