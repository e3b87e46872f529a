import { expect, it } from "vitest"
import { Random } from "@backplane/foundation-base/random"
import { shareAmongHogs } from "../suite/shares.ts"
import { viewOf } from "../suite/views.ts"
import { bfs } from "./bfs.ts"

it("of those that came together, the order is that of their virtual deadlines: the inverse of the weights", () => {
  const random = new Random(7)
  for (let round = 0; round < 50; round++) {
    const queue = bfs.create({ seed: 1, queue: "all", cpus: [0], sliceTicks: 10 })
    const weights = Array.from({ length: 12 }, (_, index) => ({ task: `t${index}`, weight: random.between(1, 400), ordinal: index }))
    for (const one of weights) queue.enqueue(viewOf(one.task, one), 0, "new")
    const expected = [...weights].sort((a, b) => b.weight - a.weight || a.ordinal - b.ordinal).map(({ task }) => task)
    expect(expected.map(() => queue.pick(0, 0)?.task)).toEqual(expected)
  }
})

it("a sleeper keeps its deadline and the rest of its slice, and so goes before those who ran meanwhile", () => {
  const queue = bfs.create({ seed: 1, queue: "all", cpus: [0], sliceTicks: 10 })
  queue.enqueue(viewOf("a"), 0, "new")
  queue.enqueue(viewOf("b"), 0, "new")
  expect(queue.pick(0, 0)?.task).toBe("a")
  queue.charge("a", 4, "blocked", 4)
  expect(queue.pick(0, 4)?.task).toBe("b")
  queue.charge("b", 10, "slice", 14)
  queue.enqueue(viewOf("b"), 14, "slice")
  queue.enqueue(viewOf("a"), 14, "wake")
  expect(queue.pick(0, 14)?.task).toBe("a")
  expect(queue.sliceTicks("a")).toBe(6)
})

it("equal weights share alike, and a heavier task gets more", () => {
  const equal = shareAmongHogs(bfs, [100, 100, 100], { ticks: 900, sliceTicks: 10 })
  expect(equal.ran).toEqual([300, 300, 300])
  const { ran } = shareAmongHogs(bfs, [50, 400], { ticks: 900, sliceTicks: 10 })
  expect(ran[1]).toBeGreaterThan(ran[0] ?? 0)
})
