/** All policies by name: the one place that knows the list. */
import type { PolicyName } from "@backplane/scenario-machine/machine-spec"
import { mqms } from "./mqms/mqms.ts"
import { mqmsSteal } from "./mqms-steal/mqms-steal.ts"
import { mqmsWarm } from "./mqms-warm/mqms-warm.ts"
import type { Policy } from "./policy.ts"
import { sqms } from "./sqms/sqms.ts"

export const POLICIES: Readonly<Record<PolicyName, Policy>> = { sqms, mqms, "mqms-steal": mqmsSteal, "mqms-warm": mqmsWarm }

/** One line a policy, for `backplane sched list`. */
export const POLICY_SUMMARIES: Readonly<Record<PolicyName, string>> = {
  sqms: "one queue for all CPUs; never idle with work, caches stay cold",
  mqms: "one queue a CPU, no migration; caches warm, load unbalanced",
  "mqms-steal": "one queue a CPU; looks into one random queue every peek interval",
  "mqms-warm": "one queue a CPU; when idle asks all and takes the task that loses least",
}
