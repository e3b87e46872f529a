import { it } from "vitest"
import { keepPromises, partOf, SEEDS_PATIENCE } from "./seeds.ts"

it(
  "a store keeps its promises for sixty seconds of drawn faults and ends equal: the second part of the seeds",
  { timeout: SEEDS_PATIENCE },
  () => {
    keepPromises(partOf(1))
  },
)
