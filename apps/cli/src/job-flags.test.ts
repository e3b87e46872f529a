/** What `backplane jobs` makes of its flags. */
import { describe, expect, it } from "vitest"
import { specOf, type JobFlags } from "./job-flags.ts"

const FLAGS: JobFlags = {
  cpus: "2",
  nodes: "1",
  peek: "30",
  slice: "10",
  cache: "100",
  warmup: "10",
  warmRate: "2",
  seed: "0",
  jobCount: "3",
  maxRun: "100",
  maxWset: "200",
}

describe("flags of jobs", () => {
  it.each<[Partial<JobFlags>, string]>([
    [{ policy: "zzz" }, "--policy: there is no such one; give one of sqms, mqms, "],
    [{ compat: "zzz" }, "--compat: there is no such one; give one of none, ostep"],
    [{ compat: "ostep", policy: "bfs" }, "--policy: bfs is not part of the OSTEP model"],
    [{ cpus: "0" }, "--cpus: must be >= 1"],
    [{ cpus: "2", nodes: "3" }, "--nodes: 3 nodes need at least as many CPUs"],
    [{ slice: "0" }, "--slice: must be >= 1"],
    [{ jobCount: "0" }, "--job-count: must be >= 1"],
    [{ maxTicks: "0" }, "--max-ticks: must be >= 1"],
    [{ list: "a:10:10,a:10:10" }, "--list: the job name a is given twice"],
    [{ seed: "x" }, "--seed: x is not a whole number"],
  ])("that are wrong are told by their own names: %j", (wrong, said) => {
    expect(() => specOf({ ...FLAGS, ...wrong })).toThrow(said)
  })

  it("without any, three jobs are drawn for two CPUs", () => {
    expect(specOf(FLAGS)).toMatchObject({ topology: { cpus: 2 }, schedule: { policy: "sqms" }, jobs: [{}, {}, {}] })
  })
})
