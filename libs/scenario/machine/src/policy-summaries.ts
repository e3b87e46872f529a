/** One line a policy, for `backplane sched list` and the console. */
import type { PolicyName } from "./machine-spec.ts"

export const POLICY_SUMMARIES: Readonly<Record<PolicyName, string>> = {
  sqms: "one queue for all CPUs; never idle with work, caches stay cold",
  mqms: "one queue a CPU, no migration; caches warm, load unbalanced",
  "mqms-steal": "one queue a CPU; looks into one random queue every peek interval",
  "mqms-warm": "one queue a CPU; when idle asks all and takes the task that loses least",
}
