import fc from "fast-check"
import { expect, it } from "vitest"
import { Random } from "@backplane/foundation-base/random"
import { ClassicQueue } from "../classic/classic-queue.ts"
import { drive } from "../suite/drive.ts"
import { plainWorkload } from "../suite/workload.ts"
import { sqms } from "./sqms.ts"

const RUNS = { numRuns: Number(process.env["SCHEDULE_LAW_RUNS"] ?? 100) }

/** Graham, "Bounds on Multiprocessing Timing Anomalies", 1969: what any schedule keeps that leaves no CPU idle. */
it("makespan ≤ T1/P + (1 − 1/P)·longest, where all tasks come at once and may run anywhere", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 8 }), (seed, tasks, cpus) => {
      const random = new Random(seed)
      const plans = Array.from({ length: tasks }, (_, index) => ({
        name: `t${index}`,
        weight: 100,
        arrivalTick: 0,
        affinity: [],
        bursts: [{ runTicks: random.between(1, 100), sleepTicks: 0 }],
      }))
      const sliceTicks = random.between(1, 12)
      const policy = new ClassicQueue(sqms, { seed: 1, queue: "all", cpus: [], sliceTicks })
      const { ticks } = drive(policy, plainWorkload(plans, { cpus, sliceTicks }))
      const runs = plans.map(({ bursts }) => bursts[0]?.runTicks ?? 0)
      const work = runs.reduce((sum, some) => sum + some, 0)
      expect(ticks).toBeLessThanOrEqual(work / cpus + (1 - 1 / cpus) * Math.max(...runs))
    }),
    RUNS,
  )
})
