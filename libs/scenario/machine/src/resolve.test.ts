import { describe, expect, it } from "vitest"
import { Rejection } from "./rejection.ts"
import { machineSpecOf, resolveMachineSpec } from "./resolve.ts"

const job = (name: string, more: object = {}): object => ({ name, run: 10, workingSet: 10, ...more })

describe("what a user writes", () => {
  it.each([
    ["an unknown field", { colour: 1 }, "colour", "there is no such field"],
    ["an unknown field further down", { cache: { colour: 1 } }, "cache.colour", "there is no such field"],
    ["a number that is text", { seed: "1" }, "seed", "must be integer"],
    ["a negative run time", { jobs: [job("a", { run: -1 })] }, "jobs[0].run", ">= 0"],
    ["a job without a working set", { jobs: [{ name: "a", run: 1 }] }, "jobs[0]", "workingSet"],
    ["no CPU", { topology: { cpus: 0 } }, "topology.cpus", ">= 1"],
    ["more nodes than CPUs", { topology: { cpus: 2, nodes: 3 } }, "topology.nodes", "at least as many CPUs"],
    ["a name twice", { jobs: [job("a"), job("a")] }, "jobs[1].name", "given twice; names are unique"],
    ["a name that arrivals give", { jobs: [job("j7")], arrivals: arrivals() }, "jobs[0].name", "take one that is not j and a number"],
    ["a CPU that is not there", { jobs: [job("a", { affinity: [5] })] }, "jobs[0].affinity", "the CPUs are 0 to 1"],
    ["an unknown policy", { schedule: { policy: "best" } }, "schedule.policy", "give one of sqms, mqms, "],
    ["arrivals of least above most", { arrivals: arrivals({ run: { least: 9, most: 1 } }) }, "arrivals.run", "least is above most"],
    [
      "a tick too short for its messages",
      { topology: { cpus: 256 }, clock: { tickCycles: 10_000 } },
      "clock.latencyCycles",
      "a tick must be longer",
    ],
    [
      "a swap in the OSTEP model",
      { schedule: { compat: "ostep" }, actions: [{ atTick: 1, swap: "mqms" }] },
      "actions",
      "leave out compat: ostep",
    ],
    [
      "a policy of one queue that the OSTEP model has not",
      { schedule: { compat: "ostep", policy: "bfs" } },
      "schedule.policy",
      "take sqms",
    ],
    ["a weight of nothing", { jobs: [{ name: "a", run: 1, workingSet: 0, weight: 0 }] }, "jobs[0].weight", "1"],
    ["a foreign policy in the OSTEP model", { schedule: { compat: "ostep", policy: "mqms-warm" } }, "schedule.policy", "take mqms-steal"],
    ["the name of the key-value store", { name: "store" }, "name", "take another"],
    ["nothing at all", null, "scenario", ""],
  ])("%s is refused by its field and with a remedy", (_what, input, field, remedy) => {
    const refused = refusalOf(() => resolveMachineSpec(input))
    expect(refused.field).toContain(field)
    expect(refused.message).toContain(remedy)
    expect(refused.message.startsWith(refused.field)).toBe(true)
  })

  it("is completed by defaults, and what is complete is not changed", () => {
    const spec = resolveMachineSpec({ jobs: [{ name: "a", run: 1, workingSet: 2 }] })
    expect(spec.jobs).toEqual([{ name: "a", run: 1, workingSet: 2, affinity: [], restartable: false, arrival: 0 }])
    expect(machineSpecOf(JSON.parse(JSON.stringify(spec)))).toEqual(spec)
  })

  it("over the bus is completed by nothing", () => {
    expect(refusalOf(() => machineSpecOf({ name: "a" })).field).not.toBe("")
  })

  it("draws the jobs of one seed always alike", () => {
    const draw = { count: 5, maxRun: 100, maxWorkingSet: 60 }
    expect(resolveMachineSpec({ seed: 3, draw }).jobs).toEqual(resolveMachineSpec({ seed: 3, draw }).jobs)
    expect(resolveMachineSpec({ seed: 3, draw }).jobs).not.toEqual(resolveMachineSpec({ seed: 4, draw }).jobs)
  })
})

function arrivals(more: object = {}): object {
  return { everyTicks: 5, run: { least: 1, most: 2 }, workingSet: { least: 1, most: 2 }, liveMax: 3, total: 4, ...more }
}

function refusalOf(act: () => unknown): Rejection {
  try {
    act()
  } catch (thrown) {
    if (thrown instanceof Rejection) return thrown
    throw thrown
  }
  throw new Error("it is not refused")
}
