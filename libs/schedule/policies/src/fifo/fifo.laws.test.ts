import { expect, it } from "vitest"
import { drive } from "../suite/drive.ts"
import { viewOf } from "../suite/views.ts"
import { hogs, plainWorkload } from "../suite/workload.ts"
import { fifo } from "./fifo.ts"

it("tasks end in the order in which they came, each in one piece", () => {
  const { decisions, fates } = drive(
    fifo.create({ seed: 1, queue: "all", cpus: [0], sliceTicks: 10 }),
    plainWorkload(hogs([1, 100, 10_000], 30)),
  )
  expect(fates.map(({ finishTick }) => finishTick)).toEqual([30, 60, 90])
  expect(decisions).toHaveLength(3)
})

it("a task whose run was cut short goes on before the others; one that yields goes behind them", () => {
  const queue = fifo.create({ seed: 1, queue: "all", cpus: [0], sliceTicks: 10 })
  queue.enqueue(viewOf("a"), 0, "new")
  queue.enqueue(viewOf("b"), 0, "new")
  expect(queue.pick(0, 0)?.task).toBe("a")
  queue.charge("a", 3, "slice", 3)
  queue.enqueue(viewOf("a"), 3, "slice")
  expect(queue.pick(0, 3)?.task).toBe("a")
  queue.charge("a", 1, "yield", 4)
  queue.enqueue(viewOf("a"), 4, "yield")
  expect(queue.pick(0, 4)?.task).toBe("b")
})
