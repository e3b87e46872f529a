/** What the table of a machine says of a policy, and what the policy says of itself. */
import { expect, it } from "vitest"
import { POLICY_NAMES } from "@backplane/scenario-machine/machine-spec"
import { POLICY_LAYOUTS } from "@backplane/scenario-machine/policy-layouts"
import { POLICY_SUMMARIES } from "@backplane/scenario-machine/policy-summaries"
import { QUEUE_POLICY } from "./queue-policies.ts"

it.each(POLICY_NAMES)("%s has one name, one layout and one summary", (policy) => {
  const { name, layout, summary } = QUEUE_POLICY[policy]
  expect({ name, layout, summary }).toEqual({ name: policy, layout: POLICY_LAYOUTS[policy], summary: POLICY_SUMMARIES[policy] })
})
