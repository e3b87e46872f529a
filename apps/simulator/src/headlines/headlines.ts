/** All headlines, in the order in which they are listed. */
import { gangHeadline, shortTasksHeadline } from "./board-headlines.ts"
import { cacheAwareHeadline } from "./cache-headline.ts"
import { contentionHeadline } from "./contention-headline.ts"
import { energyAwareHeadline, energyHeadline } from "./energy-headlines.ts"
import type { Headline } from "./headline.ts"
import { wastedCoresHeadline } from "./wasted-headline.ts"
import { directedYieldHeadline } from "./yield-headline.ts"

export const HEADLINES: readonly Headline[] = [
  contentionHeadline,
  wastedCoresHeadline,
  shortTasksHeadline,
  gangHeadline,
  directedYieldHeadline,
  energyHeadline,
  energyAwareHeadline,
  cacheAwareHeadline,
]
