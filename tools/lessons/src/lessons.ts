/** All lessons, in the order in which they build on each other. */
import type { Lesson } from "./lesson.ts"
import { crdts } from "./lessons/crdts.ts"
import { cacheAffinity } from "./lessons/cache-affinity.ts"
import { oneQueueOrMany } from "./lessons/one-queue-or-many.ts"
import { workStealing } from "./lessons/work-stealing.ts"

export const LESSONS: readonly Lesson[] = [oneQueueOrMany, workStealing, cacheAffinity, crdts]
