import { Random } from "@backplane/foundation-base/random"
import { expect, it } from "vitest"
import { fluidRates, type FluidTask } from "./fluid.ts"

const DRAWN = 300

function drawTasks(random: Random, cpus: number): readonly FluidTask[] {
  return Array.from({ length: random.between(1, 8) }, () => ({
    weight: random.between(1, 400),
    affinity: random.chance(0.4) ? Array.from({ length: cpus }, (_, cpu) => cpu).filter(() => random.chance(0.5)) : [],
  }))
}

/** Whether these rates can be served at once: for every set of tasks, what they get fits the CPUs that any of them may use. */
function isFeasible(tasks: readonly FluidTask[], rates: readonly number[], cpus: number): boolean {
  for (let set = 1; set < 1 << tasks.length; set++) {
    const members = tasks.flatMap((task, index) => ((set & (1 << index)) === 0 ? [] : [{ task, rate: rates[index] ?? 0 }]))
    const free = members.some(({ task }) => task.affinity.length === 0)
    const room = free ? cpus : new Set(members.flatMap(({ task }) => task.affinity)).size
    if (members.reduce((sum, { rate }) => sum + rate, 0) > room + 1e-9) return false
  }
  return rates.every((rate) => rate <= 1 + 1e-9)
}

it("rates can be served, none can grow, and nobody could have more without taking it from one who has less for its weight", () => {
  for (let seed = 1; seed <= DRAWN; seed++) {
    const random = new Random(seed).fork("fluid")
    const cpus = random.between(1, 5)
    const tasks = drawTasks(random, cpus)
    const rates = fluidRates(tasks, cpus)
    expect(isFeasible(tasks, rates, cpus), `seed ${seed}`).toBe(true)
    for (const [index, task] of tasks.entries()) {
      // A little more for this one, a little less for all that have more for their weight: if that can be served, it was not max-min.
      const level = (rates[index] ?? 0) / task.weight
      const shifted = rates.map((rate, other) =>
        other === index ? rate + 1e-6 : rate / (tasks[other]?.weight ?? 1) > level + 1e-9 ? Math.max(0, rate - 1e-6) : rate,
      )
      expect(isFeasible(tasks, shifted, cpus), `seed ${seed}, task ${index}`).toBe(false)
    }
  }
})

it("weights 1:2:4:8 on two CPUs: the heaviest has one, the others share the other", () => {
  const tasks = [100, 200, 400, 800].map((weight) => ({ weight, affinity: [] }))
  expect(fluidRates(tasks, 2).map((rate) => Number(rate.toFixed(6)))).toEqual([0.142857, 0.285714, 0.571429, 1])
})
