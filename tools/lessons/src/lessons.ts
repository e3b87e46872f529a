/** All lessons, in the order in which they build on each other. */
import type { Lesson } from "./lesson.ts"
import { aShardMore } from "./lessons/a-shard-more.ts"
import { apartAndTogether } from "./lessons/apart-and-together.ts"
import { cacheAffinity } from "./lessons/cache-affinity.ts"
import { crdts } from "./lessons/crdts.ts"
import { dataOrComputation } from "./lessons/data-or-computation.ts"
import { doubleZeroing } from "./lessons/double-zeroing.ts"
import { falseSharing } from "./lessons/false-sharing.ts"
import { hyperThreading } from "./lessons/hyper-threading.ts"
import { idleLoop } from "./lessons/idle-loop.ts"
import { numaPlacement } from "./lessons/numa-placement.ts"
import { oneQueueOrMany } from "./lessons/one-queue-or-many.ts"
import { systemCall } from "./lessons/system-call.ts"
import { tlbMiss } from "./lessons/tlb-miss.ts"
import { twoPageTables } from "./lessons/two-page-tables.ts"
import { workStealing } from "./lessons/work-stealing.ts"

export const LESSONS: readonly Lesson[] = [
  systemCall,
  tlbMiss,
  twoPageTables,
  idleLoop,
  doubleZeroing,
  oneQueueOrMany,
  workStealing,
  cacheAffinity,
  falseSharing,
  hyperThreading,
  numaPlacement,
  dataOrComputation,
  apartAndTogether,
  crdts,
  aShardMore,
]
