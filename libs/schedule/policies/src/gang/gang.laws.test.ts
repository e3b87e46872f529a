import fc from "fast-check"
import { expect, it } from "vitest"
import { Random } from "@backplane/foundation-base/random"
import { drive } from "../suite/drive.ts"
import { viewOf } from "../suite/views.ts"
import { drawWorkload, hogs, plainWorkload, type TaskPlan } from "../suite/workload.ts"
import { gang } from "./gang.ts"

const RUNS = { numRuns: Number(process.env["SCHEDULE_LAW_RUNS"] ?? 100) }

it("all members of a gang that are awake start at the same tick, and none starts without the others", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 2, max: 12 }), fc.integer({ min: 2, max: 4 }), (seed, tasks, cpus) => {
      const drawn = drawWorkload(new Random(seed), { tasks, cpus, gangs: true })
      const workload = { ...drawn, thefts: [], refuseEvery: 0, tasks: drawn.tasks.map((task) => ({ ...task, arrivalTick: 0 })) }
      const policy = gang.create({ seed, queue: "all", cpus: workload.places.map(({ cpu }) => cpu), sliceTicks: workload.sliceTicks })
      const onTick = (tick: number, fates: Parameters<NonNullable<NonNullable<Parameters<typeof drive>[2]>["onTick"]>>[1]): void => {
        for (const fate of fates) {
          if (fate.plan.gang === undefined || fate.state !== "waiting") continue
          const others = fates.filter((one) => one.plan.gang?.name === fate.plan.gang?.name && one.state === "running")
          // A member that waits while others run came back (awake, or its yield) after they had started.
          const startedNow = others.filter((one) => one.startTick === tick)
          expect(startedNow.map((one) => one.plan.name)).toEqual([])
        }
      }
      expect(drive(policy, workload, { onTick }).violations).toEqual([])
    }),
    RUNS,
  )
})

function member(name: string, size: number): (task: TaskPlan) => TaskPlan {
  return (task) => ({ ...task, name: `${name}-${task.name}`, gang: { name, size } })
}

it("a gang of all CPUs is not starved by single tasks whose slices end at odd times", () => {
  const singles = hogs([100, 100, 100], 400).map((task, index) => ({ ...task, arrivalTick: index * 3 }))
  const gangs = hogs([100, 100], 50).map(member("g", 2))
  const { fates, violations } = drive(
    gang.create({ seed: 1, queue: "all", cpus: [0, 1], sliceTicks: 10 }),
    plainWorkload([...singles, ...gangs], { cpus: 2 }),
  )
  expect(violations).toEqual([])
  expect(fates.filter(({ plan }) => plan.gang !== undefined).every(({ waitMostTicks }) => waitMostTicks < 120)).toBe(true)
})

it("a gang larger than the machine, and one whose members exclude each other, run one by one", () => {
  const queue = gang.create({ seed: 1, queue: "all", cpus: [0, 1], sliceTicks: 10 })
  for (const task of ["a", "b", "c"]) queue.enqueue(viewOf(task, { gang: { name: "large", size: 3 } }), 0, "new")
  queue.offer([0, 1], 0)
  expect([queue.pick(0, 0)?.task, queue.pick(1, 0)?.task]).toEqual(["a", "b"])
  const pinned = gang.create({ seed: 1, queue: "all", cpus: [0, 1], sliceTicks: 10 })
  for (const task of ["a", "b"]) pinned.enqueue(viewOf(task, { affinity: [1], gang: { name: "pair", size: 2 } }), 0, "new")
  pinned.offer([0, 1], 0)
  expect([pinned.pick(0, 0)?.task, pinned.pick(1, 0)?.task]).toEqual([undefined, "a"])
})

it("a gang waits for the member that is yet to come", () => {
  const queue = gang.create({ seed: 1, queue: "all", cpus: [0, 1], sliceTicks: 10 })
  queue.enqueue(viewOf("a", { gang: { name: "g", size: 2 } }), 0, "new")
  queue.offer([0, 1], 0)
  expect(queue.pick(0, 0)).toBeUndefined()
  queue.enqueue(viewOf("b", { gang: { name: "g", size: 2 } }), 5, "new")
  queue.offer([0, 1], 5)
  expect([queue.pick(0, 5)?.task, queue.pick(1, 5)?.task]).toEqual(["a", "b"])
})
