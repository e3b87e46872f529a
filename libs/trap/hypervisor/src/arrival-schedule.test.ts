/** Jobs that arrive have numbers, whatever else the machine has run before its hypervisor began anew. */
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { TickClock } from "@backplane/scenario-machine/tick-clock"
import { describe, expect, it } from "vitest"
import { ArrivalSchedule } from "./arrival-schedule.ts"
import type { HypervisorContext, Out } from "./hypervisor-context.ts"
import { JobTable, type Job } from "./job-table.ts"
import type { JobStarts } from "./job-starts.ts"

const spec = resolveMachineSpec({
  clock: { mode: "free" },
  arrivals: { everyTicks: 10, run: { least: 1, most: 2 }, workingSet: { least: 1, most: 2 }, liveMax: 4, total: 0 },
  jobs: [],
})

/** The name of the next job that arrives, where these tasks are known from before. */
function nextAfter(names: readonly string[], kept: Map<string, number>): string | undefined {
  const jobs = new JobTable()
  for (const name of names) {
    const vcpu = name.includes(".") ? { vm: name.split(".")[0] ?? "", index: 0, life: 1, frames: 1 } : undefined
    const job = jobs.add({ name, run: 1, workingSet: 1, affinity: [], restartable: true, arrival: 0, ...(vcpu && { vcpu }) })
    job.state = "finished"
  }
  const placed: string[] = []
  const starts = { place: (job: Job) => void placed.push(job.spec.name), forget: () => undefined } as unknown as JobStarts
  const context = { spec, ticks: new TickClock(spec.clock), laterTicks: () => virtualTime(1) } as unknown as HypervisorContext
  const schedule = new ArrivalSchedule({ context, jobs, starts })
  const out: Out = []
  schedule.begin(virtualTime(0), kept, out)
  schedule.onTimer(virtualTime(0), out)
  return placed[0]
}

describe("arrivals of a hypervisor that begins anew", () => {
  it("go on behind the last job, or what was noted, whichever is later", () => {
    expect(nextAfter([], new Map())).toBe("j0")
    expect(nextAfter(["j0", "j7"], new Map([["arrivals", 3]]))).toBe("j8")
    expect(nextAfter(["j0"], new Map([["arrivals", 3]]))).toBe("j3")
  })

  it("do not count vCPUs, which are tasks as well", () => {
    expect(nextAfter(["j4", "alpha.0", "beta.1"], new Map([["arrivals", 5]]))).toBe("j5")
  })
})
