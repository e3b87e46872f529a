import { expect, it } from "vitest"
import { viewOf } from "../suite/views.ts"
import { AFFINITY_PASSES_MAX, sqmsAffinity } from "./sqms-affinity.ts"

const SETTINGS = { seed: 1, queue: "all", cpus: [0, 1], sliceTicks: 10 }

it("a CPU takes the task that ran on it last, before one that waited longer", () => {
  const queue = sqmsAffinity.create(SETTINGS)
  queue.enqueue(viewOf("far", { lastCpu: 1 }), 0, "slice")
  queue.enqueue(viewOf("fresh"), 0, "new")
  queue.enqueue(viewOf("near", { lastCpu: 0 }), 0, "slice")
  expect([queue.pick(0, 0)?.task, queue.pick(0, 0)?.task, queue.pick(0, 0)?.task]).toEqual(["near", "fresh", "far"])
})

it("the oldest is passed over a few times, and then it is next", () => {
  const queue = sqmsAffinity.create(SETTINGS)
  queue.enqueue(viewOf("far", { lastCpu: 1 }), 0, "slice")
  const picks: (string | undefined)[] = []
  for (let now = 0; now <= AFFINITY_PASSES_MAX; now++) {
    queue.enqueue(viewOf(`near${now}`, { lastCpu: 0 }), now, "slice")
    picks.push(queue.pick(0, now)?.task)
  }
  expect(picks).toEqual(["near0", "near1", "near2", "near3", "far"])
})
