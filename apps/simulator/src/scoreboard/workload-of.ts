/** Workloads by name. */
import type { Workload } from "@backplane/scenario-workloads/workload"
import { WORKLOADS } from "@backplane/scenario-workloads/workloads"
import { FlagError } from "../whole-flag.ts"

export function workloadOf(name: string): Workload {
  const workload = WORKLOADS.find((one) => one.name === name)
  if (workload === undefined)
    throw new FlagError(`--workloads: there is no workload ${name}; there are ${WORKLOADS.map((one) => one.name).join(", ")}`)
  return workload
}
