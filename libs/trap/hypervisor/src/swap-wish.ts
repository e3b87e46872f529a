/** What somebody asks for when a policy is to take over, checked, and who then schedules which CPUs. */
import type { Json } from "@backplane/foundation-base/json"
import { FALLBACK, POLICY_NAMES } from "@backplane/scenario-machine/machine-spec"
import { ownSeat, SECOND_SEAT, type Seat } from "@backplane/scenario-machine/topology"
import type { SwapAsk } from "@backplane/trap-contract/operator-messages"
import type { HypervisorContext } from "./hypervisor-context.ts"

export type SwapWish = Omit<SwapAsk, "kind" | "request">

/** The policy or service as one that has all CPUs; or why there is none such. */
export function candidateOf({ policy, service }: SwapWish): Seat | string {
  if (service !== undefined) return { seat: service.seat, policy, layout: service.layout, cpus: null }
  const known = POLICY_NAMES.find((name) => name === policy)
  return known === undefined ? `there is no policy ${policy}; there are ${[...POLICY_NAMES, FALLBACK].join(", ")}` : ownSeat(known)
}

/**
 * Who schedules what when the candidate has taken over: all CPUs, or those that are named, beside the policy in force, which keeps the rest.
 * A second set that was there before is dissolved: there are two at most.
 */
export function seatsAfter(
  { seats, spec, offline }: HypervisorContext,
  candidate: Seat,
  cpus?: readonly number[],
): readonly Seat[] | string {
  const [first] = seats
  if (cpus === undefined || first === undefined) return [candidate]
  const total = spec.topology.cpus
  const wrong = cpus.find((cpu) => cpu >= total)
  if (wrong !== undefined) return `cpus: there is no CPU ${wrong}; there are 0 to ${total - 1}`
  const own = [...new Set(cpus)].sort((a, b) => a - b)
  const rest = Array.from({ length: total }, (_, cpu) => cpu).filter((cpu) => !own.includes(cpu))
  if (rest.length === 0) return [candidate]
  for (const set of [own, rest])
    if (set.every((cpu) => offline.has(cpu))) return `cpus: CPU ${set.join(", ")} would be a set with no CPU on line`
  const second: Seat = { ...candidate, seat: candidate.seat === "" ? SECOND_SEAT : candidate.seat, cpus: own }
  if (first.seat === second.seat) return `${candidate.policy} schedules already; let a policy take over all CPUs first`
  return [{ ...first, cpus: rest }, second]
}

/** The seats of a record on disk; of one of an earlier version its policy. */
export function seatsOf(kept: object): readonly Seat[] | null {
  if ("seats" in kept && Array.isArray(kept.seats)) return kept.seats as readonly Json[] as unknown as readonly Seat[]
  const policy = "policy" in kept ? POLICY_NAMES.find((name) => name === kept.policy) : undefined
  return policy === undefined ? null : [ownSeat(policy)]
}
