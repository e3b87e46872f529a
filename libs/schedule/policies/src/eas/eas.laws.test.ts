import { expect, it } from "vitest"
import { drive } from "../suite/drive.ts"
import { hogs, plainWorkload, type TaskPlan } from "../suite/workload.ts"
import { eas } from "./eas.ts"

/** CPUs 0 and 1 are big, 2 and 3 have 0.4 of their capacity. */
const places = [1024, 1024, 410, 410].map((capacity, cpu) => ({ cpu, node: 0, core: cpu, capacity }))
const SETTINGS = { seed: 1, queue: "all", cpus: [0, 1, 2, 3], sliceTicks: 10, places }

function cpusUsed(tasks: readonly TaskPlan[], sinceTick: number): ReadonlyMap<string, ReadonlySet<number>> {
  const { decisions } = drive(eas.create(SETTINGS), { ...plainWorkload(tasks, { cpus: 4 }), places }, { ticks: 1000 })
  const used = new Map<string, Set<number>>()
  for (const [tick = "", , cpu = "", task = ""] of decisions.map((decision) => decision.split(" ")))
    if (Number(tick) >= sinceTick) used.set(task, (used.get(task) ?? new Set()).add(Number(cpu)))
  return used
}

function light(name: string): TaskPlan {
  return { name, weight: 100, arrivalTick: 0, affinity: [], bursts: Array.from({ length: 100 }, () => ({ runTicks: 2, sleepTicks: 10 })) }
}

it("light tasks run on small CPUs, and big ones stay free for a task that needs them", () => {
  const used = cpusUsed([light("a"), light("b"), ...hogs([100], 2000)], 100)
  for (const name of ["a", "b"]) for (const cpu of used.get(name) ?? []) expect(cpu).toBeGreaterThanOrEqual(2)
  for (const cpu of used.get("t0") ?? []) expect(cpu).toBeLessThan(2)
  expect(used.size).toBe(3)
})

it("with more heavy tasks than big CPUs the small ones are used too", () => {
  const used = cpusUsed(hogs([100, 100, 100, 100], 2000), 0)
  expect(new Set([...used.values()].flatMap((cpus) => [...cpus])).size).toBe(4)
})
