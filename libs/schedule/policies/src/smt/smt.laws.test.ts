import { expect, it } from "vitest"
import { viewOf } from "../suite/views.ts"
import { smt } from "./smt.ts"

/** Cores 0: CPUs 0 and 1; 1: CPUs 2 and 3. */
const places = [0, 0, 1, 1].map((core, cpu) => ({ cpu, node: 0, core, capacity: 1024 }))
const SETTINGS = { seed: 1, queue: "all", cpus: [0, 1, 2, 3], sliceTicks: 10, places }

function placed(views: readonly ReturnType<typeof viewOf>[], idle: readonly number[]): readonly (string | undefined)[] {
  const queue = smt.create(SETTINGS)
  for (const view of views) queue.enqueue(view, 0, "new")
  queue.offer(idle, 0)
  return idle.map((cpu) => queue.pick(cpu, 0)?.task)
}

it("two tasks go to two cores", () => {
  expect(placed([viewOf("a"), viewOf("b")], [0, 1, 2, 3])).toEqual(["a", undefined, "b", undefined])
})

it("relatives share a core with each other rather than with strangers", () => {
  const of = (task: string, name: string): ReturnType<typeof viewOf> => viewOf(task, { gang: { name, size: 2 } })
  expect(placed([of("a1", "a"), of("b1", "b"), of("b2", "b"), of("a2", "a")], [0, 1, 2, 3])).toEqual(["a1", "a2", "b1", "b2"])
})

it("a second thread is used rather than left idle", () => {
  expect(placed([viewOf("a"), viewOf("b")], [0, 1])).toEqual(["a", "b"])
})
