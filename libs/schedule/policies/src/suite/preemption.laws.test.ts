/** Which policies cut a slice short for a task that wakes, and for which. */
import { describe, expect, it } from "vitest"
import type { PolicyName } from "@backplane/scenario-machine/machine-spec"
import { QUEUE_POLICIES, QUEUE_POLICY } from "../queue-policies.ts"
import type { QueuePolicy } from "../queue-policy.ts"
import { viewOf } from "./views.ts"

/** They preempt, or promise to finish every slice that they begin. */
const PREEMPTS: readonly PolicyName[] = ["o1", "cfs", "cfs-domains", "eevdf", "bfs", "mlfq", "credit"]

/** The O(1) scheduler knows nothing but levels; under eevdf one of equal weight that was owed nothing is due after who began before. */
function weightOf(name: PolicyName): number {
  return name === "o1" || name === "eevdf" ? 400 : 100
}

/** One CPU runs `hog`, which has run long; `sleeper` slept all the while after a short run and wakes at tick 200. */
function hogAndSleeper(name: PolicyName, weight = 100): QueuePolicy {
  const policy = QUEUE_POLICY[name].create({ seed: 1, queue: "cpu-0", cpus: [0], sliceTicks: 10 })
  policy.enqueue(viewOf("sleeper", { weight }), 0, "new")
  policy.pick(0, 0)
  policy.charge("sleeper", 1, "blocked", 1)
  policy.enqueue(viewOf("hog"), 1, "new")
  for (let tick = 1; tick < 191; tick += 10) {
    policy.pick(0, tick)
    policy.charge("hog", 10, "slice", tick + 10)
    policy.enqueue(viewOf("hog", { taskSeq: tick + 1 }), tick + 10, "slice")
  }
  policy.pick(0, 191)
  policy.enqueue(viewOf("sleeper", { weight, taskSeq: 2 }), 196, "wake")
  return policy
}

describe("a task that wakes", () => {
  it.each(QUEUE_POLICIES.map(({ name }) => name as PolicyName))("under %s", (name) => {
    const weight = weightOf(name)
    const policy = hogAndSleeper(name, weight)
    expect(policy.preempts?.("sleeper", 196)).toBe(PREEMPTS.includes(name) ? 0 : undefined)
    if (PREEMPTS.includes(name)) expect(policy.pick(0, 196)?.task).toBe("sleeper")
  })

  it.each(PREEMPTS)("under %s preempts nobody where it may not run, and not what was just put on in the place of another", (name) => {
    const weight = weightOf(name)
    const policy = hogAndSleeper(name, weight)
    policy.enqueue(viewOf("pinned", { weight, taskSeq: 1, affinity: [1] }), 196, "wake")
    expect(policy.preempts?.("pinned", 196)).toBeUndefined()
    policy.pick(0, 196)
    policy.enqueue(viewOf("another", { weight: 1, taskSeq: 1 }), 196, "wake")
    expect(policy.preempts?.("another", 196)).toBeUndefined()
  })
})
