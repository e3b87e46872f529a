import { it } from "vitest"
import { keepPromises, SEEDS, SEEDS_PATIENCE } from "./seeds.ts"

it(
  "a store keeps its promises for sixty seconds of drawn faults and ends equal: the first half of the seeds",
  { timeout: SEEDS_PATIENCE },
  () => {
    keepPromises({ from: 1, count: Math.ceil(SEEDS / 2) })
  },
)
