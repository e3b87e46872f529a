/** All policies that hold their queue: the one place that knows the list. `chaos` is not on it: it is for tests only. */
import { POLICY_NAMES, type PolicyName } from "@backplane/scenario-machine/machine-spec"
import { POLICY_LAYOUTS } from "@backplane/scenario-machine/policy-layouts"
import { POLICY_SUMMARIES } from "@backplane/scenario-machine/policy-summaries"
import { bfs } from "./bfs/bfs.ts"
import { cfs, cfsDomains } from "./cfs/cfs.ts"
import { ClassicQueue } from "./classic/classic-queue.ts"
import { credit } from "./credit/credit.ts"
import { eas } from "./eas/eas.ts"
import { eevdf } from "./eevdf/eevdf.ts"
import { fifo } from "./fifo/fifo.ts"
import { gang } from "./gang/gang.ts"
import { lottery } from "./lottery/lottery.ts"
import { mlfq } from "./mlfq/mlfq.ts"
import { numa } from "./numa/numa.ts"
import { o1 } from "./o1/o1.ts"
import { POLICIES, type ClassicName } from "./policies.ts"
import type { Policy } from "./policy.ts"
import { patient } from "./patient/patient.ts"
import type { QueuePolicyKind } from "./queue-policy.ts"
import { rr } from "./rr/rr.ts"
import { smt } from "./smt/smt.ts"
import { sqmsAffinity } from "./sqms-affinity/sqms-affinity.ts"
import { stride } from "./stride/stride.ts"

function classic(name: ClassicName): QueuePolicyKind {
  const policy: Policy = POLICIES[name]
  return {
    name,
    summary: POLICY_SUMMARIES[name],
    layout: POLICY_LAYOUTS[name],
    slices: policy.slices === undefined ? "aligned" : "own",
    steal: policy.steal,
    ...(policy.evensOut && { evensOut: true }),
    create: (settings) => new ClassicQueue(policy, settings),
  }
}

export const QUEUE_POLICY: Readonly<Record<PolicyName, QueuePolicyKind>> = {
  sqms: classic("sqms"),
  mqms: classic("mqms"),
  "mqms-steal": classic("mqms-steal"),
  "mqms-warm": classic("mqms-warm"),
  "sqms-affinity": sqmsAffinity,
  patient,
  fifo,
  rr,
  o1,
  cfs,
  "cfs-domains": cfsDomains,
  bfs,
  eevdf,
  mlfq,
  lottery,
  stride,
  credit,
  numa,
  smt,
  gang,
  eas,
}

export const QUEUE_POLICIES: readonly QueuePolicyKind[] = POLICY_NAMES.map((name) => QUEUE_POLICY[name])
