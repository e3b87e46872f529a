/** All policies by name: the one place that knows the list. */
import type { PolicyName } from "@backplane/scenario-machine/machine-spec"
import { mqms } from "./mqms/mqms.ts"
import { mqmsSteal } from "./mqms-steal/mqms-steal.ts"
import { mqmsWarm } from "./mqms-warm/mqms-warm.ts"
import type { Policy } from "./policy.ts"
import { sqms } from "./sqms/sqms.ts"

export const POLICIES: Readonly<Record<PolicyName, Policy>> = { sqms, mqms, "mqms-steal": mqmsSteal, "mqms-warm": mqmsWarm }
