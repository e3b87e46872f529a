import fc from "fast-check"
import { expect, it } from "vitest"
import { viewOf } from "../suite/views.ts"
import { numa, NUMA_PASSES_MAX } from "./numa.ts"

const places = [0, 0, 1, 1].map((node, cpu) => ({ cpu, node, core: cpu, capacity: 1024 }))
const SETTINGS = { seed: 1, queue: "all", cpus: [0, 1, 2, 3], sliceTicks: 10, places }

it("a CPU takes tasks of its node first, of these the one that ran on it last; another node's rather than none", () => {
  const queue = numa.create(SETTINGS)
  queue.enqueue(viewOf("far", { node: 0, lastCpu: 0 }), 0, "slice")
  queue.enqueue(viewOf("home", { node: 1, lastCpu: 2 }), 0, "slice")
  queue.enqueue(viewOf("warm", { node: 1, lastCpu: 3 }), 0, "slice")
  expect([queue.pick(3, 0)?.task, queue.pick(3, 0)?.task, queue.pick(3, 0)?.task]).toEqual(["warm", "home", "far"])
})

it("of tasks that are at home alike a CPU takes the one whose partner is on its node; of far ones too", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 3 }), fc.boolean(), fc.boolean(), (partnerCpu, isHome, isFirst) => {
      const queue = numa.create(SETTINGS)
      queue.enqueue(viewOf("partner", { node: partnerCpu >> 1 }), 0, "new")
      expect(queue.pick(partnerCpu, 0)?.task).toBe("partner")
      // Two CPUs: one beside the partner's, one of the other node. Both tasks lie on the node of the CPU that asks, or on the other.
      for (const near of [true, false]) {
        const cpu = near ? partnerCpu ^ 1 : partnerCpu ^ 2
        const node = isHome ? cpu >> 1 : 1 - (cpu >> 1)
        const tasks = [viewOf("shares", { node, shares: ["partner", "nobody"] }), viewOf("plain", { node })]
        for (const view of isFirst ? tasks : [...tasks].reverse()) queue.enqueue(view, 0, "new")
        // Near its partner it is first; at home but apart it lets the others go before; far and apart it is as any.
        const first = near ? (isHome ? (isFirst ? "shares" : "plain") : "shares") : isHome ? "plain" : isFirst ? "shares" : "plain"
        expect([near, isHome, queue.pick(cpu, 0)?.task]).toEqual([near, isHome, first])
        for (const { task } of tasks) queue.remove(task)
      }
    }),
  )
})

it("whoever shares with somebody far away waits no longer than others for it: it is passed over so often, and no more", () => {
  const queue = numa.create(SETTINGS)
  queue.enqueue(viewOf("partner", { node: 0 }), 0, "new")
  queue.pick(0, 0)
  queue.enqueue(viewOf("apart", { node: 1, shares: ["partner"] }), 0, "new")
  const picked: (string | undefined)[] = []
  for (let round = 0; round <= NUMA_PASSES_MAX; round++) {
    queue.enqueue(viewOf(`other-${round}`, { node: 1 }), 10 * round, "new")
    picked.push(queue.pick(3, 10 * round)?.task)
  }
  expect(picked.indexOf("apart")).toBe(NUMA_PASSES_MAX)
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
