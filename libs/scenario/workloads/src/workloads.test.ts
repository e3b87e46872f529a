import { Random } from "@backplane/foundation-base/random"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import type { ImageRef } from "@backplane/scenario-machine/vm-spec"
import { describe, expect, it } from "vitest"
import { poissonArrivals } from "./requests.ts"
import { WORKLOADS } from "./workloads.ts"

const SETS = 12

/** Whatever the file: what is in it is the runner's business. */
const anyImage = (): string => "AAAA"
const anyKernel = (): ImageRef => ({ hash: "0".repeat(64), bytes: 4096 })

describe("workloads", () => {
  it("have names of their own and say what they ask", () => {
    expect(new Set(WORKLOADS.map(({ name }) => name)).size).toBe(WORKLOADS.length)
    for (const { question, columns } of WORKLOADS) {
      expect(question).toMatch(/\?$/)
      expect(columns.length).toBeGreaterThan(0)
    }
  })

  it.each(WORKLOADS)("$name: every drawn set is a machine, the same for the same seed", (workload) => {
    for (let set = 0; set < SETS; set++) {
      const drawn = workload.draw(new Random(set).fork(workload.name), set)
      expect(() => resolveMachineSpec({ ...drawn, seed: set }, anyImage, anyKernel)).not.toThrow()
      expect(workload.draw(new Random(set).fork(workload.name), set)).toEqual(drawn)
    }
  })

  it.each(WORKLOADS)("$name: sets differ", (workload) => {
    const sets = Array.from({ length: SETS }, (_, set) =>
      JSON.stringify(
        resolveMachineSpec({ ...workload.draw(new Random(set).fork(workload.name), set), seed: set }, anyImage, anyKernel).jobs,
      ),
    )
    expect(new Set(sets).size).toBeGreaterThan(1)
  })

  it.each(WORKLOADS.filter(({ focus }) => focus !== undefined))(
    "$name: the tasks that it is about are there",
    ({ name, focus = "", draw }) => {
      const { jobs = [] } = draw(new Random(1).fork(name), 1)
      expect(jobs.some((job) => job.name.startsWith(focus))).toBe(true)
    },
  )
})

it("gaps between arrivals have the mean that was asked for", () => {
  const arrivals = poissonArrivals(new Random(5), { count: 20_000, meanGap: 3 })
  expect((arrivals.at(-1) ?? 0) / arrivals.length).toBeCloseTo(3, 1)
})
