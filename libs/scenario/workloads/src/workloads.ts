/** All workloads of the scoreboard, in the order in which it shows them. */
import { cacheFit, imbalance, numaBound, ostepSets, pinned, weights } from "./batch.ts"
import { bimodal } from "./requests.ts"
import type { Workload } from "./workload.ts"

export const OSTEP_SHAPE = { cpus: 8, jobs: 24, maxRun: 200, maxWorkingSet: 60 } as const

export const WORKLOADS: readonly Workload[] = [ostepSets(OSTEP_SHAPE), imbalance, cacheFit, pinned, weights, numaBound, bimodal]
