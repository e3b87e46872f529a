/** Every policy keeps the laws that hold for all of them, on drawn workloads. Nightly: SCHEDULE_LAW_RUNS=1000. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Random } from "@backplane/foundation-base/random"
import { QUEUE_POLICIES } from "../queue-policies.ts"
import { brokenLaws } from "./safety-laws.ts"
import { waitBoundOf } from "./wait-bounds.ts"
import { drawWorkload } from "./workload.ts"

const RUNS = { numRuns: Number(process.env["SCHEDULE_LAW_RUNS"] ?? 120) }
const NIGHTLY_MILLISECONDS = 600_000

describe.each(QUEUE_POLICIES.map((kind) => ({ name: kind.name, kind })))("$name", ({ name, kind }) => {
  it(
    "loses no task, runs none twice or where it may not, leaves no CPU idle, starves nobody, repeats itself from the seed",
    () => {
      fc.assert(
        fc.property(fc.nat(), fc.integer({ min: 1, max: 14 }), fc.constantFrom(1, 1, 2, 3, 4), (seed, tasks, cpus) => {
          const workload = drawWorkload(new Random(seed), { tasks, cpus, gangs: name === "gang" })
          expect(brokenLaws(kind, workload, { seed, waitBound: waitBoundOf(name) })).toEqual([])
        }),
        RUNS,
      )
    },
    NIGHTLY_MILLISECONDS,
  )
})
