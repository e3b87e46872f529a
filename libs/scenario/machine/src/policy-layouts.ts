/** Which queues each policy wants: one for all CPUs, or one for each. */
import type { PolicyName } from "./machine-spec.ts"

export type QueueLayout = "all" | "cpu"

export const POLICY_LAYOUTS: Readonly<Record<PolicyName, QueueLayout>> = {
  sqms: "all",
  mqms: "cpu",
  "mqms-steal": "cpu",
  "mqms-warm": "cpu",
  "sqms-affinity": "all",
  patient: "all",
  fifo: "all",
  rr: "all",
  o1: "cpu",
  cfs: "cpu",
  "cfs-domains": "cpu",
  bfs: "all",
  eevdf: "cpu",
  mlfq: "all",
  lottery: "all",
  stride: "all",
  credit: "all",
  numa: "all",
  smt: "all",
  gang: "all",
  eas: "all",
}

/** Those of the OSTEP model: the only ones under `compat: ostep`. */
export const OSTEP_POLICIES: readonly PolicyName[] = ["sqms", "mqms", "mqms-steal"]
