/** One line a policy, for `backplane sched list` and the console. */
import type { PolicyName } from "./machine-spec.ts"

export const POLICY_SUMMARIES: Readonly<Record<PolicyName, string>> = {
  sqms: "one queue for all CPUs; never idle with work, caches stay cold",
  mqms: "one queue a CPU, no migration; caches warm, load unbalanced",
  "mqms-steal": "one queue a CPU; looks into one random queue every peek interval",
  "mqms-warm": "one queue a CPU; when idle asks all and takes the task that loses least",
  "sqms-affinity": "one queue for all CPUs; a CPU prefers those that ran on it last",
  patient: "one queue; a task waits up to half a slice for the CPU that is warm for it",
  fifo: "one queue; a task runs until it blocks or ends",
  rr: "one queue; each task in turn for a slice",
  o1: "one queue a CPU; active and expired arrays, choice in constant time",
  cfs: "one queue a CPU; the task with the least virtual runtime, by weight",
  "cfs-domains": "cfs; an idle CPU takes work from near by, by scheduling domains as in Linux",
  bfs: "one queue for all CPUs; earliest virtual deadline first",
  eevdf: "one queue a CPU; of those owed time, the one whose slice is due first",
  mlfq: "one queue of four levels; who uses its allotment goes down, all come up again",
  lottery: "one queue; the winner is drawn, odds by weight",
  stride: "one queue; the least pass runs, strides inverse to weights",
  credit: "one queue; credits by weight, spent by running, a boost on waking",
  numa: "one queue; a CPU prefers tasks whose memory is on its node",
  smt: "one queue; idle cores before second threads, relatives share a core",
  gang: "one queue; members of a gang run together or not at all",
  eas: "one queue; each task on the smallest idle CPU that it fits",
}
