/** The policies without a memory, by name. All policies: `queue-policies.ts`. */
import type { PolicyName } from "@backplane/scenario-machine/machine-spec"
import { mqms } from "./mqms/mqms.ts"
import { mqmsSteal } from "./mqms-steal/mqms-steal.ts"
import { mqmsWarm } from "./mqms-warm/mqms-warm.ts"
import type { Policy } from "./policy.ts"
import { sqms } from "./sqms/sqms.ts"

export const POLICIES = { sqms, mqms, "mqms-steal": mqmsSteal, "mqms-warm": mqmsWarm } as const satisfies Partial<
  Record<PolicyName, Policy>
>
export type ClassicName = keyof typeof POLICIES
