/** All policies that hold their queue: the one place that knows the list. `chaos` is not on it: it is for tests only. */
import { bfs } from "./bfs/bfs.ts"
import { cfs } from "./cfs/cfs.ts"
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
import type { Policy } from "./policy.ts"
import { POLICIES } from "./policies.ts"
import type { QueueLayout, QueuePolicyKind } from "./queue-policy.ts"
import { rr } from "./rr/rr.ts"
import { smt } from "./smt/smt.ts"
import { sqmsAffinity } from "./sqms-affinity/sqms-affinity.ts"
import { stride } from "./stride/stride.ts"

function classic(policy: Policy, layout: QueueLayout, summary: string): QueuePolicyKind {
  return { name: policy.name, summary, layout, steal: policy.steal, create: (settings) => new ClassicQueue(policy, settings) }
}

export const QUEUE_POLICIES: readonly QueuePolicyKind[] = [
  classic(POLICIES.sqms, "all", "one queue for all CPUs; never idle with work, caches stay cold"),
  classic(POLICIES.mqms, "cpu", "one queue a CPU, no migration; caches warm, load unbalanced"),
  classic(POLICIES["mqms-steal"], "cpu", "one queue a CPU; looks into one random queue every peek interval"),
  classic(POLICIES["mqms-warm"], "cpu", "one queue a CPU; when idle asks all and takes the task that loses least"),
  sqmsAffinity,
  fifo,
  rr,
  o1,
  cfs,
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
]
