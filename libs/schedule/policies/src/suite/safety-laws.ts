/**
 * The laws that hold for every policy, as a function from (policy, workload) to what is broken.
 *
 *  S1 a task that is picked waits, and may run on that CPU    S2 no task is lost, made up or picked twice
 *  S3 no CPU idles beside work that it could do                S4 everything gets done
 *  S5 nobody waits longer than the policy's bound              S6 the same seed gives the same decisions
 */
import type { QueuePolicyKind } from "../queue-policy.ts"
import { drive } from "./drive.ts"
import type { Workload } from "./workload.ts"

/** The longest that a task of the workload may wait, in ticks; null: the policy promises nothing (and says why). */
export type WaitBound = (workload: Workload, task: number) => number | null

export interface SafetyOptions {
  readonly seed: number
  readonly waitBound: WaitBound
}

export function brokenLaws(kind: QueuePolicyKind, workload: Workload, { seed, waitBound }: SafetyOptions): readonly string[] {
  const cpus = Array.from({ length: workload.cpus }, (_, cpu) => cpu)
  const settings = { seed, queue: "all", cpus, sliceTicks: workload.sliceTicks, places: workload.places }
  const first = drive(kind.create(settings), workload)
  const broken = [...first.violations]
  if (kind.leavesIdle === undefined && first.idleBesideWork > 0) broken.push(`CPUs idle beside work for ${first.idleBesideWork} ticks`)
  for (const [index, fate] of first.fates.entries()) {
    const bound = waitBound(workload, index)
    if (bound !== null && fate.waitMostTicks > bound)
      broken.push(`${fate.plan.name} (weight ${fate.plan.weight}) waits ${fate.waitMostTicks} ticks, at most ${bound} are allowed`)
  }
  if (broken.length === 0 && drive(kind.create(settings), workload).fingerprint !== first.fingerprint)
    broken.push("the same seed gives other decisions")
  return broken
}
