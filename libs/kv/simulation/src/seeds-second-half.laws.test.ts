import { it } from "vitest"
import { keepPromises, SEEDS, SEEDS_PATIENCE } from "./seeds.ts"

it(
  "a store keeps its promises for sixty seconds of drawn faults and ends equal: the second half of the seeds",
  { timeout: SEEDS_PATIENCE },
  () => {
    keepPromises({ from: Math.ceil(SEEDS / 2) + 1, count: Math.floor(SEEDS / 2) })
  },
)
