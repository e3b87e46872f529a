/** Energy-aware placement on CPUs of unequal capacity. See README.md beside this file. */
import { MatchingDiscipline, type MatchingAccount } from "../matching.ts"
import { PolicyQueue } from "../policy-queue.ts"
import type { QueuePolicyKind } from "../queue-policy.ts"
import { CAPACITY_MAX, placeOf, type QueueSettings } from "../queue-settings.ts"

/** A task fits a CPU that it would keep busy for at most so many hundredths (Linux: the capacity margin of 20 %). */
const FIT_PERCENT = 80

/** Part of its life that it ran, of 1024. Nothing is known of a task that has just come: it is taken for a small one. */
export function utilisation({ state }: MatchingAccount, now: number): number {
  return Math.floor((CAPACITY_MAX * state.ranTicks) / Math.max(1, now - state.since))
}

/** Where it fits, the smallest CPU; where it fits nowhere, the largest. */
function costOn(settings: QueueSettings) {
  return (account: MatchingAccount, cpu: number, now: number): number => {
    const { capacity } = placeOf(settings, cpu)
    const fits = utilisation(account, now) * 100 <= capacity * FIT_PERCENT
    return fits ? capacity : 2 * CAPACITY_MAX - capacity + 1
  }
}

export const eas: QueuePolicyKind = {
  name: "eas",
  summary: "one queue; each task on the smallest idle CPU that it fits",
  layout: "all",
  slices: "aligned",
  steal: "none",
  create: (settings) => new PolicyQueue(new MatchingDiscipline({ sliceTicks: settings.sliceTicks, cost: costOn(settings) })),
}
