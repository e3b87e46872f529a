import { describe, expect, it } from "vitest"
import { failingSeeds, runSeeds } from "@backplane/foundation-simulation/replay"
import { soak } from "./soak/soak-scenario.ts"

describe("a machine", () => {
  it("keeps its invariants under 60 drawn sets of faults, finishes everything once they are over, and each seed has one run", () => {
    runSeeds(soak({ kind: "faulty" }), { count: 60 })
  })

  it("where messages are slow but nothing fails, bypasses no scheduler and restarts no task", () => {
    runSeeds(soak({ kind: "slow" }), { count: 20 })
  })

  it("where nothing is wrong, bypasses no scheduler and restarts no task", () => {
    runSeeds(soak({ kind: "exact" }), { count: 20 })
  })

  /**
   * Seeds that failed once, and the bug that each found. What is drawn from a seed may change with the soak; the bugs have tests of
   * their own beside the sources.
   */
  const found: readonly (readonly [seed: number, bug: string])[] = [
    [2, "a restored job was a frozen record"],
    [3, "one life of a task was begun by two lives of a node"],
    [6, "a task was submitted to a queue of the policy before"],
    [1, "jobs without a record were forgotten by a restarted hypervisor"],
    [19, "a lease was granted again by a late copy of the question"],
    [29, "a stream was one message behind for ever"],
    [102, "a reborn scheduler did not learn that the policy had changed"],
    [139, "frames were not given back by a node that died just then"],
    [192, "a zombie's lease was entered again by a reborn memory controller"],
    [10142, "a machine whose reports were lost was taken to stand still"],
    [450, "a scheduler of a policy long over kept void claims"],
  ]
  it.each(found)("seed %i does not bring back that %s", (seed) => {
    expect([...failingSeeds(soak({ kind: "faulty" }), { from: seed, count: 1 })]).toEqual([])
  })

  /** The same of the other kinds. */
  const foundElsewhere: readonly (readonly [kind: "lossy" | "slow" | "exact", seed: number, bug: string])[] = [
    ["lossy", 9347, "a node that was never heard of was said to have lost tasks"],
    ["slow", 1150, "a task handed to a CPU that had gone was claimed by nobody"],
    ["exact", 1027, "a woken task was handed to an idle CPU of another set"],
  ]
  it.each(foundElsewhere)("%s seed %i does not bring back that %s", (kind, seed) => {
    expect([...failingSeeds(soak({ kind }), { from: seed, count: 1 })]).toEqual([])
  })
})
