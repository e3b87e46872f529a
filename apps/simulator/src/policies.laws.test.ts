import { describe, expect, it } from "vitest"
import { Random } from "@backplane/foundation-base/random"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { POLICY_NAMES, type MachineSpec, type PolicyName } from "@backplane/scenario-machine/machine-spec"
import type { RunResult } from "@backplane/trap-hypervisor/run-result"
import { simulate } from "./simulate.ts"

const SETS = 40

/** A drawn machine under a policy, outside of the OSTEP model; `warmRate` 1 where work must take its own time. */
function drawn(set: number, policy: PolicyName, more: { readonly warmRate?: number; readonly affinity?: boolean } = {}): MachineSpec {
  const random = new Random(set).fork("policies")
  const cpus = random.between(1, 6)
  return resolveMachineSpec({
    seed: set,
    topology: { cpus, nodes: random.between(1, cpus) },
    cache: { warmRate: more.warmRate ?? 2 },
    schedule: { policy, sliceTicks: random.between(1, 12), peekTicks: random.between(1, 12) },
    jobs: Array.from({ length: random.between(1, 15) }, (_, index) => ({
      name: `t${index}`,
      run: random.between(1, 80),
      workingSet: random.between(0, 60),
      affinity: more.affinity === true && random.chance(0.4) ? [random.below(cpus)] : [],
    })),
  })
}

function resultOf(spec: MachineSpec): RunResult {
  const outcome = simulate(spec, { fingerprint: "off" })
  if ("failure" in outcome) throw new Error(outcome.failure.message)
  return outcome.result
}

describe("sqms", () => {
  it("is never longer than the greedy bound: T1/P + (1 − 1/P) · longest", () => {
    for (let set = 1; set <= SETS; set++) {
      const spec = drawn(set, "sqms", { warmRate: 1 })
      const work = spec.jobs.reduce((sum, job) => sum + job.run, 0)
      const longest = Math.max(...spec.jobs.map((job) => job.run))
      const { cpus } = spec.topology
      expect(resultOf(spec).finish, `set ${set}`).toBeLessThanOrEqual(Math.ceil(work / cpus + (1 - 1 / cpus) * longest))
    }
  })

  it("leaves no CPU idle in a tick in which more tasks are unfinished than CPUs", () => {
    for (let set = 1; set <= SETS; set++) {
      const spec = drawn(set, "sqms")
      const { schedule, jobs } = resultOf(spec)
      for (const runs of schedule)
        for (const [from, to, name] of runs) {
          if (name !== null) continue
          for (let tick = from; tick < to; tick++) {
            const unfinished = Object.values(jobs).filter((finish) => finish !== null && finish > tick).length
            expect(unfinished, `set ${set}, tick ${tick}`).toBeLessThan(spec.topology.cpus)
          }
        }
    }
  })
})

describe("mqms", () => {
  it("moves no task after it was placed", () => {
    for (let set = 1; set <= SETS; set++) expect(resultOf(drawn(set, "mqms", { affinity: true })).migrations, `set ${set}`).toBe(0)
  })
})

describe("weights of jobs", () => {
  it.each(["cfs", "eevdf", "stride"] as const)("%s serves 1:3 by weight on one CPU, to a few slices", (policy) => {
    const job = (name: string, weight: number): Record<string, unknown> => ({ name, weight, run: 600, workingSet: 0 })
    const spec = resolveMachineSpec({
      topology: { cpus: 1 },
      cache: { warmRate: 1 },
      schedule: { policy, sliceTicks: 10 },
      jobs: [job("light", 100), job("heavy", 300)],
    })
    const { jobs, finish } = resultOf(spec)
    expect(finish).toBe(1200)
    // The heavy one ends when it has had three quarters of the time: 600 of 800 ticks.
    expect(Math.abs((jobs["heavy"] ?? 0) - 800)).toBeLessThanOrEqual(40)
  })
})

describe("every policy", () => {
  it.each(POLICY_NAMES)("%s does all the work, where it may, and no tick twice", (policy) => {
    for (let set = 1; set <= SETS; set++) {
      const spec = drawn(set, policy, { warmRate: 1, affinity: true })
      const { schedule } = resultOf(spec)
      const ticks = new Map<string, number>()
      const taken = new Set<string>()
      for (const [cpu, runs] of schedule.entries())
        for (const [from, to, name] of runs) {
          if (name === null) continue
          const affinity: readonly number[] = spec.jobs.find((job) => job.name === name)?.affinity ?? []
          expect(affinity.length === 0 || affinity.includes(cpu), `set ${set}: ${name} on CPU ${cpu}`).toBe(true)
          ticks.set(name, (ticks.get(name) ?? 0) + to - from)
          for (let tick = from; tick < to; tick++) {
            expect(taken.has(`${name} ${tick}`), `set ${set}: ${name} twice in tick ${tick}`).toBe(false)
            taken.add(`${name} ${tick}`)
          }
        }
      for (const job of spec.jobs) expect(ticks.get(job.name), `set ${set}: ${job.name}`).toBe(job.run)
    }
  })
})
