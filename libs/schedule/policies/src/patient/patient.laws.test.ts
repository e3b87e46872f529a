import { expect, it } from "vitest"
import { viewOf } from "../suite/views.ts"
import { patient, PATIENT_PASSES_MAX } from "./patient.ts"

const SETTINGS = { seed: 1, queue: "all", cpus: [0, 1], sliceTicks: 10 }

it("a task that is warm elsewhere leaves an idle CPU idle for up to half a slice, and then runs there", () => {
  const queue = patient.create(SETTINGS)
  queue.enqueue(viewOf("warm", { lastCpu: 1, warm: true }), 100, "slice")
  expect(queue.pick(0, 100)).toBeUndefined()
  expect(queue.pick(0, 104)).toBeUndefined()
  expect(queue.pick(0, 105)?.task).toBe("warm")
})

it("its own CPU takes it at once, before an older one that has no preference", () => {
  const queue = patient.create(SETTINGS)
  queue.enqueue(viewOf("cold"), 0, "new")
  queue.enqueue(viewOf("warm", { lastCpu: 1, warm: true }), 1, "slice")
  expect([queue.pick(1, 1)?.task, queue.pick(0, 1)?.task]).toEqual(["warm", "cold"])
})

it("what a node says of a cache counts, wherever the task ran last", () => {
  const queue = patient.create(SETTINGS)
  queue.enqueue(viewOf("old"), 0, "new")
  queue.enqueue(viewOf("hot", { lastCpu: 1, warm: false }), 1, "slice")
  queue.note?.({ cpu: 0, hot: ["hot"], space: null })
  expect(queue.pick(0, 1)?.task).toBe("hot")
})

it("advice is followed where the CPU is free, and is no mask", () => {
  const queue = patient.create(SETTINGS)
  queue.enqueue(viewOf("advised", { preferred: [1] }), 0, "new")
  expect(queue.pick(0, 0)).toBeUndefined()
  expect(queue.pick(1, 0)?.task).toBe("advised")
  queue.enqueue(viewOf("advised", { taskSeq: 2, preferred: [1] }), 10, "slice")
  expect(queue.pick(0, 15)?.task).toBe("advised")
})

it("the oldest is passed over a few times, and then it is next", () => {
  const queue = patient.create(SETTINGS)
  queue.enqueue(viewOf("oldest"), 0, "new")
  const picks: (string | undefined)[] = []
  for (let now = 0; now <= PATIENT_PASSES_MAX; now++) {
    queue.enqueue(viewOf(`warm${now}`, { lastCpu: 0, warm: true }), now, "slice")
    picks.push(queue.pick(0, now)?.task)
  }
  expect(picks).toEqual(["warm0", "warm1", "warm2", "warm3", "oldest"])
})
