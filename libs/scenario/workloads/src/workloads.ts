/** All workloads of the scoreboard, in the order in which it shows them. */
import { cacheFit, imbalance, numaBound, ostepSets, pinned, weights } from "./batch.ts"
import { guests } from "./guests.ts"
import { energyLadder, smtPairs } from "./hardware.ts"
import { hotPlug, thief } from "./hostile.ts"
import { barrierVm, forkJoin, hackbench } from "./parallel.ts"
import { bimodal, wakeUp } from "./requests.ts"
import { vms } from "./vms.ts"
import type { Workload } from "./workload.ts"

export const OSTEP_SHAPE = { cpus: 8, jobs: 24, maxRun: 200, maxWorkingSet: 60 } as const

export const WORKLOADS: readonly Workload[] = [
  ostepSets(OSTEP_SHAPE),
  imbalance,
  cacheFit,
  pinned,
  weights,
  thief,
  hotPlug,
  bimodal,
  wakeUp,
  hackbench,
  forkJoin,
  barrierVm,
  numaBound,
  smtPairs,
  energyLadder,
  guests,
  vms,
]
