import { expect, it } from "vitest"
import { viewOf } from "../suite/views.ts"
import { numa } from "./numa.ts"

const places = [0, 0, 1, 1].map((node, cpu) => ({ cpu, node, core: cpu, capacity: 1024 }))
const SETTINGS = { seed: 1, queue: "all", cpus: [0, 1, 2, 3], sliceTicks: 10, places }

it("a CPU takes tasks of its node first, of these the one that ran on it last; another node's rather than none", () => {
  const queue = numa.create(SETTINGS)
  queue.enqueue(viewOf("far", { node: 0, lastCpu: 0 }), 0, "slice")
  queue.enqueue(viewOf("home", { node: 1, lastCpu: 2 }), 0, "slice")
  queue.enqueue(viewOf("warm", { node: 1, lastCpu: 3 }), 0, "slice")
  expect([queue.pick(3, 0)?.task, queue.pick(3, 0)?.task, queue.pick(3, 0)?.task]).toEqual(["warm", "home", "far"])
})

it("two nodes with a task for each CPU: every task stays on its node", () => {
  const queue = numa.create(SETTINGS)
  const views = [0, 1, 2, 3].map((index) => viewOf(`t${index}`, { node: index % 2 }))
  for (const view of views) queue.enqueue(view, 0, "new")
  for (let now = 0; now < 50; now += 10) {
    const picked = SETTINGS.cpus.map((cpu) => ({ cpu, view: queue.pick(cpu, now) }))
    for (const { cpu, view } of picked) {
      expect(view?.node).toBe(cpu >> 1)
      if (view === undefined) continue
      queue.charge(view.task, 10, "slice", now + 10)
      queue.enqueue({ ...view, lastCpu: cpu }, now + 10, "slice")
    }
  }
})
