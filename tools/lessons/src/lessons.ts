/** All lessons, in the order in which they build on each other. */
import type { Lesson } from "./lesson.ts"
import { crdts } from "./lessons/crdts.ts"
import { cacheAffinity } from "./lessons/cache-affinity.ts"
import { idleLoop } from "./lessons/idle-loop.ts"
import { oneQueueOrMany } from "./lessons/one-queue-or-many.ts"
import { systemCall } from "./lessons/system-call.ts"
import { workStealing } from "./lessons/work-stealing.ts"

export const LESSONS: readonly Lesson[] = [systemCall, idleLoop, oneQueueOrMany, workStealing, cacheAffinity, crdts]
