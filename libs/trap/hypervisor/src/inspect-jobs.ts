/** What the hypervisor shows of its jobs to people and checkers. */
import type { Json } from "@backplane/foundation-base/json"
import type { Job, JobTable } from "./job-table.ts"

export function inspectJobs(table: JobTable): { readonly [field: string]: Json } {
  const jobs = table.all()
  const count = (state: Job["state"]): number => jobs.filter((job) => job.state === state).length
  return {
    jobs: {
      due: count("due"),
      submitted: count("submitted"),
      live: count("live"),
      finished: count("finished") + table.forgotten,
      lost: count("lost"),
      rejected: count("rejected"),
      restarts: jobs.reduce((sum, job) => sum + (job.spec.vcpu === undefined ? job.attempt - 1 : 0), 0),
    },
    live: table.inState("live", "submitted").map(({ spec, node, queue, attempt }) => ({ job: spec.name, node, queue, attempt })),
    lost: table.inState("lost").map(({ spec, reason }) => ({ job: spec.name, reason })),
  }
}
